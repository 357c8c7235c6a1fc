-- HookMemory
-- Asks for gigabytes by the method.
function run(ctx)
  return ("x"):rep(2000000000)
end
