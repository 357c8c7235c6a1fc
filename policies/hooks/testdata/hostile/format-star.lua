-- HookScriptError
-- A width from the arguments.
function run(ctx)
  return string.format("%*d", 1000000000, 1)
end
