-- HookScriptError
-- Makes code of texts.
function run(ctx)
  return load(function() return nil end)()
end
