-- HookReturnInvalid
-- Makes a text of the state.
function run(ctx)
  ctx.state = "x"
  return ctx.wait("5s")
end
