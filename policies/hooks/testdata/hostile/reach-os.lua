-- HookScriptError
-- Reaches for os.
function run(ctx)
  return os.execute("id")
end
