-- HookDeadline
-- Logs without end and hears no refusal.
function run(ctx)
  while true do pcall(log.info, "x") end
end
