-- HookScriptError
-- A number with a billion zeros before it.
function run(ctx)
  return string.format("%999999999d", 1)
end
