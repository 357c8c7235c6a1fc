-- HookMemory
-- A length that no machine has.
function run(ctx)
  return string.rep("xx", 2^62)
end
