-- HookReturnInvalid
-- Keeps a function.
function run(ctx)
  ctx.state.f = function() end
  return ctx.wait("5s")
end
