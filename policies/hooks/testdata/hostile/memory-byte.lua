-- HookScriptError
-- More bytes than a stack has.
function run(ctx)
  return string.byte(string.rep("x", 8000000), 1, -1)
end
