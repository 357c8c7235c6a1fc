-- HookScriptError
-- JSON that is nested without end.
function run(ctx)
  return json.decode(string.rep("[", 100000) .. string.rep("]", 100000))
end
