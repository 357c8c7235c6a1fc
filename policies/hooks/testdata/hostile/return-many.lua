-- HookReturnInvalid or HookScriptError
-- Returns a hundred thousand values.
function run(ctx)
  local t = {}
  for i = 1, 100000 do t[i] = i end
  return unpack(t)
end
