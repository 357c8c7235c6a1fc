-- HookScriptError
-- Calls itself.
function run(ctx)
  local function f() return 1 + f() end
  return f()
end
