-- HookMemory or HookScriptError
-- A coroutine in a coroutine in a coroutine.
function run(ctx)
  local function deeper() return coroutine.wrap(deeper)() end
  return deeper()
end
