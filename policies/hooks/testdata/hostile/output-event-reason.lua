-- HookScriptError
-- An event whose reason is none.
function run(ctx)
  event.normal("no reason", "x")
end
