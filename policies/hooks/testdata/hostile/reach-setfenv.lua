-- HookScriptError
-- Changes another's globals.
function run(ctx)
  setfenv(1, {})
end
