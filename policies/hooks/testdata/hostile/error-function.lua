-- HookScriptError
-- An error that is a function.
function run(ctx)
  error(function() end)
end
