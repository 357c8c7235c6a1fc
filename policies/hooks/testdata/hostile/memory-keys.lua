-- HookMemory
-- A table with ever new keys.
function run(ctx)
  local t, i = {}, 0
  while true do
    i = i + 1
    t['k' .. i] = 'v' .. i
  end
end
