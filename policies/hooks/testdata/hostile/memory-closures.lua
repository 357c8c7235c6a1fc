-- HookMemory
-- Ever new functions.
function run(ctx)
  local f = function() end
  while true do
    local g = f
    f = function() return g() end
  end
end
