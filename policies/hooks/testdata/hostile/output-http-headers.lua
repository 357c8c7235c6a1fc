-- HookOutputTooLarge
-- Headers without end.
function run(ctx)
  local h = {}
  for i = 1, 10000 do h["x-" .. i] = "y" end
  http.get("https://allowed.example/", {headers = h})
end
