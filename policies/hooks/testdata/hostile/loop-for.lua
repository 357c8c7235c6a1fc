-- HookDeadline
-- A loop that takes centuries.
function run(ctx)
  for i = 1, 1e18 do end
  return ctx.done()
end
