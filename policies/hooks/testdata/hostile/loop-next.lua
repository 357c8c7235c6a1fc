-- HookDeadline
-- Goes through a table for ever.
function run(ctx)
  local t = {1}
  while true do for k in pairs(t) do t[k] = k end end
end
