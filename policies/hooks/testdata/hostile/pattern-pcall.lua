-- HookDeadline
-- Backtracks where errors are swallowed.
function run(ctx)
  while true do pcall(string.find, string.rep("a", 40), string.rep("a?", 40) .. string.rep("a", 40)) end
end
