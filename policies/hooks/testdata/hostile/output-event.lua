-- HookOutputTooLarge
-- Tells an event without end.
function run(ctx)
  event.warning("Told", string.rep("x", 100000))
end
