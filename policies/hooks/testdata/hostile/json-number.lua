-- HookScriptError
-- JSON of what is no number.
function run(ctx)
  return json.encode({1/0})
end
