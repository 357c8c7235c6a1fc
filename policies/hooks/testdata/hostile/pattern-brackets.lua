-- HookScriptError
-- A pattern that is none.
function run(ctx)
  return string.find("a", string.rep("[", 1000))
end
