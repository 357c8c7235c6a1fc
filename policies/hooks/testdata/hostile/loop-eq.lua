-- HookDeadline
-- A comparison that loops.
function run(ctx)
  local m = {__eq = function() while true do end end}
  return setmetatable({}, m) == setmetatable({}, m)
end
