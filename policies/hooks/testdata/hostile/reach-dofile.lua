-- HookScriptError
-- Runs a file.
function run(ctx)
  return dofile("/etc/passwd")
end
