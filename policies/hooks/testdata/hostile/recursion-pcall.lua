-- HookScriptError or HookReturnInvalid or HookMemory
-- Calls itself through pcall.
function run(ctx)
  local function f() return pcall(f) end
  return f()
end
