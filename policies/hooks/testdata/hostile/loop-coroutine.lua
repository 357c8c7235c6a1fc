-- HookDeadline
-- Loops in a coroutine.
function run(ctx)
  local c = coroutine.wrap(function() while true do end end)
  while true do pcall(c) end
end
