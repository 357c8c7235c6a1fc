-- HookScriptError or HookReturnInvalid or HookMemory
-- A list with a hole of a billion.
function run(ctx)
  local t = {}
  t[67108863] = 1
  t[1e15] = 1
  return #t
end
