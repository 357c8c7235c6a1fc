-- HookReturnInvalid
-- Keeps members under tables.
function run(ctx)
  ctx.state[{}] = 1
  return ctx.wait("5s")
end
