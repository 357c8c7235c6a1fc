-- HookOutputTooLarge
-- Keeps too much.
function run(ctx)
  ctx.state.x = string.rep("x", 20000)
  return ctx.wait("5s")
end
