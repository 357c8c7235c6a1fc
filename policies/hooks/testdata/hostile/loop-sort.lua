-- HookDeadline
-- Sorts by an order that loops.
function run(ctx)
  local t = {3, 1, 2}
  table.sort(t, function() while true do end end)
end
