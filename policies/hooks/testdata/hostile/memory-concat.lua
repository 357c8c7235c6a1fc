-- HookMemory
-- Joins what is long to what is longer.
function run(ctx)
  local t = {}
  for i = 1, 1000 do t[i] = string.rep("x", 1000000) end
  return table.concat(t)
end
