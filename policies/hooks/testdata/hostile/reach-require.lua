-- HookScriptError
-- Loads a module.
function run(ctx)
  return require("os")
end
