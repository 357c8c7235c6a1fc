-- HookReturnInvalid
-- Keeps what is no number.
function run(ctx)
  ctx.state.n = 0/0
  return ctx.wait("5s")
end
