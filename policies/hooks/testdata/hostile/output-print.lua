-- HookOutputTooLarge
-- Prints without end.
function run(ctx)
  while true do print(string.rep("x", 1000)) end
end
