-- HookScriptError
-- An error that is a coroutine.
function run(ctx)
  error(coroutine.create(function() end))
end
