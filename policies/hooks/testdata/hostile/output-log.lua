-- HookOutputTooLarge
-- Logs without end.
function run(ctx)
  while true do log.info("x") end
end
