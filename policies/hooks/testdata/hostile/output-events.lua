-- HookOutputTooLarge
-- Tells without end.
function run(ctx)
  while true do event.normal("Told", "x") end
end
