-- HookMemory
-- Matches that are all kept.
function run(ctx)
  local t = {}
  while true do t[#t + 1] = {string.gmatch(string.rep("a ", 50000), "%a")} end
end
