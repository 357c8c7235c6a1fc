-- HookMemory
-- Copies of what is long, all kept.
function run(ctx)
  local t, x = {}, string.rep("x", 8000000)
  while true do t[#t + 1] = string.reverse(x) .. #t end
end
