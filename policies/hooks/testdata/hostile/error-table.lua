-- HookScriptError
-- An error that is a table.
function run(ctx)
  error({code = 1})
end
