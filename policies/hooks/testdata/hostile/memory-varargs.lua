-- HookScriptError or HookDeadline
-- More values than a stack has.
function run(ctx)
  local function f(...) return f(1, ...) end
  return f()
end
