-- HookDeadline
-- Backtracks in a replacement.
function run(ctx)
  return string.gsub(string.rep("a", 60), string.rep("a*", 40) .. "b", "")
end
