-- HookReturnInvalid
-- Keeps a coroutine.
function run(ctx)
  ctx.state.c = coroutine.create(run)
  return ctx.wait("5s")
end
