-- HookMemory
-- Asks for gigabytes at once.
function run(ctx)
  return string.rep("x", 1e10)
end
