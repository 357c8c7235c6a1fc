-- HookScriptError
-- An error that says that it is another.
function run(ctx)
  error("HookNotAllowed: http: x is not allowed")
end
