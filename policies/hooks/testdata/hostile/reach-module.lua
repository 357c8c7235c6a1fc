-- HookScriptError
-- Makes a module.
function run(ctx)
  module("x")
end
