-- HookScriptError
-- A time that is no number.
function run(ctx)
  return time.format(0/0)
end
