-- HookMemory or HookDeadline
-- Puts much between all characters.
function run(ctx)
  local t = string.rep("a", 1000000)
  while true do t = string.gsub(t, "", "bbbbbbbb") end
end
