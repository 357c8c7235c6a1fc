-- HookMemory
-- JSON of very many small things, all kept.
function run(ctx)
  local t, x = {}, "[" .. string.rep("{},", 300000) .. "{}]"
  while true do t[#t + 1] = json.decode(x) end
end
