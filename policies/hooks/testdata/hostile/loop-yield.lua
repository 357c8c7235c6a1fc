-- HookDeadline
-- A coroutine that never ends.
function run(ctx)
  local c = coroutine.wrap(function() while true do coroutine.yield(1) end end)
  while true do c() end
end
