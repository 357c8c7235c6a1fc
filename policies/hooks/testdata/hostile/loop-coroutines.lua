-- HookDeadline
-- Ever new coroutines.
function run(ctx)
  while true do
    local c = coroutine.create(function() coroutine.yield() end)
    coroutine.resume(c)
  end
end
