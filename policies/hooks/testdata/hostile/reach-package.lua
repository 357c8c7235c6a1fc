-- HookScriptError
-- Reaches for package.
function run(ctx)
  return package.loaded
end
