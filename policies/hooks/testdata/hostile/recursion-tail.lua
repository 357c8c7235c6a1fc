-- HookDeadline or HookMemory
-- Calls itself for ever without a stack; the trace of its error has a line for each call.
function run(ctx)
  local function f() return f() end
  return f()
end
