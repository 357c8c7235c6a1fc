-- HookScriptError
-- An error as long as a text may be.
function run(ctx)
  error(string.rep("x", 8000000))
end
