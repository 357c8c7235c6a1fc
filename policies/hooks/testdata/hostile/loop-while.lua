-- HookDeadline
-- An endless loop.
function run(ctx)
  while true do end
  return ctx.done()
end
