-- HookScriptError
-- A number with a billion places.
function run(ctx)
  return string.format("%.999999999f", 1)
end
