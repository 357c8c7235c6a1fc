-- HookScriptError
-- Unpacks what is not there.
function run(ctx)
  return unpack({}, 1, 1e9)
end
