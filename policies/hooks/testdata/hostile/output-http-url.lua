-- HookOutputTooLarge
-- An address without end.
function run(ctx)
  http.get("https://allowed.example/" .. string.rep("x", 100000))
end
