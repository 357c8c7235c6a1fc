-- HookDeadline
-- A metamethod that loops.
function run(ctx)
  local t = setmetatable({}, {__index = function() while true do end end})
  return t.x
end
