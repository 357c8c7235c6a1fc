-- HookScriptError
-- Prints what is not for it.
function run(ctx)
  _printregs()
end
