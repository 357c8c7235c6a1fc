-- HookMemory
-- A table that grows.
function run(ctx)
  local t = {}
  while true do t[#t + 1] = {} end
end
