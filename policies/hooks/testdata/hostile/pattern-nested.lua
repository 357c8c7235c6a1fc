-- HookDeadline
-- Backtracks without end.
function run(ctx)
  return string.match(string.rep("a", 60), string.rep("a*", 40) .. "b")
end
