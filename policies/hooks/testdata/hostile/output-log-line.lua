-- HookOutputTooLarge
-- Logs a line without end.
function run(ctx)
  log.info(string.rep("x", 8000000))
end
