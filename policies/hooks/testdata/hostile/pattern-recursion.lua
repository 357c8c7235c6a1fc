-- HookMemory or HookDeadline
-- A search that goes as deep as its text is long.
function run(ctx)
  return string.find(string.rep("a", 8000000), ".-b")
end
