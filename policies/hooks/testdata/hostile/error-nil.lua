-- HookScriptError
-- An error that is nothing.
function run(ctx)
  error(nil)
end
