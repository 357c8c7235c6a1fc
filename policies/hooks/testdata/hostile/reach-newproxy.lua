-- HookScriptError
-- Reaches for what is hidden.
function run(ctx)
  return newproxy(true)
end
