-- HookScriptError
-- Reaches for another's globals.
function run(ctx)
  return getfenv(0)
end
