-- HookDeadline
-- 28 characters that take longer than a person lives.
function run(ctx)
  return string.find(string.rep("a", 28), string.rep("a?", 28) .. string.rep("a", 28))
end
