-- HookScriptError
-- A time without end.
function run(ctx)
  return time.parse(string.rep("1", 1000000))
end
