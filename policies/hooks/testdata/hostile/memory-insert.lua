-- HookDeadline
-- Inserts at the front for ever.
function run(ctx)
  local t = {}
  for i = 1, 1e12 do
    table.insert(t, 1, i)
    if #t > 50000 then t = {} end
  end
end
