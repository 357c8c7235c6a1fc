-- HookScriptError
-- JSON that is none.
function run(ctx)
  return json.decode("{")
end
