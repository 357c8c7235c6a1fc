-- HookScriptError
-- Draws from more than there is.
function run(ctx)
  return math.random(-2^62, 2^62)
end
