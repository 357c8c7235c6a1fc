-- HookScriptError
-- Reaches for debug.
function run(ctx)
  return debug.getregistry()
end
