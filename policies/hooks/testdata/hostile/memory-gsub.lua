-- HookMemory or HookDeadline
-- Each character becomes many.
function run(ctx)
  return string.gsub(string.rep("a", 100000), "a", string.rep("b", 100000))
end
