-- HookMemory
-- Many directives of much.
function run(ctx)
  local x = string.rep("x", 1000000)
  return string.format(string.rep("%s", 100), unpack((function()
    local t = {}
    for i = 1, 100 do t[i] = x end
    return t
  end)()))
end
