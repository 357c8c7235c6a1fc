-- HookScriptError
-- Draws from nothing.
function run(ctx)
  return math.random(0)
end
