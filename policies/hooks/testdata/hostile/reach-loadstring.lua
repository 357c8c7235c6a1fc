-- HookScriptError
-- Makes code of a text.
function run(ctx)
  return loadstring("return 1")()
end
