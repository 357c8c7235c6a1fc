-- HookScriptError
-- Reaches for byte code.
function run(ctx)
  return string.dump(run)
end
