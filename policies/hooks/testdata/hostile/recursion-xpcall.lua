-- HookScriptError or HookReturnInvalid or HookMemory or HookDeadline
-- A handler that fails.
function run(ctx)
  local function h() error('again') end
  local function f() return xpcall(f, h) end
  return f()
end
