-- HookScriptError
-- Base 64 that is none.
function run(ctx)
  return base64.decode("!")
end
