-- HookMemory
-- Many texts as long as they may be.
function run(ctx)
  local t = {}
  for i = 1, 1e9 do t[i] = string.rep(tostring(i % 10), 4000000) end
end
