-- HookScriptError
-- Reads a file as code.
function run(ctx)
  return loadfile("/proc/self/environ")
end
