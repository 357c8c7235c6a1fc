-- HookReturnInvalid
-- Keeps itself.
function run(ctx)
  ctx.state.me = ctx.state
  return ctx.wait("5s")
end
