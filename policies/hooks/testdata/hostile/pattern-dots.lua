-- HookDeadline
-- Backtracks without end, in captures.
function run(ctx)
  return string.find(string.rep("x", 5000), "(.-)(.-)(.-)(.-)(.-)(.-)y")
end
