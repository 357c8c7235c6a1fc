-- HookDeadline
-- Backtracks in an iterator.
function run(ctx)
  for m in string.gmatch(string.rep("a", 60), string.rep("a-", 40) .. "b") do log.info(m) end
end
