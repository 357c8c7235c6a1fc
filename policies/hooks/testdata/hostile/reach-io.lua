-- HookScriptError
-- Reaches for io.
function run(ctx)
  return io.open("/etc/passwd"):read("*a")
end
