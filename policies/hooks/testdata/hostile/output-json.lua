-- HookOutputTooLarge
-- JSON without end.
function run(ctx)
  local t = {}
  for i = 1, 100000 do t[i] = "xxxxxxxxxxxxxxxxxxxx" end
  return json.encode(t)
end
