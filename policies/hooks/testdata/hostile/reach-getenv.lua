-- HookScriptError
-- Reaches for the environment.
function run(ctx)
  return os.getenv("HOME")
end
