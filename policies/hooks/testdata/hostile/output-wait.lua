-- HookOutputTooLarge
-- Says too much while it waits.
function run(ctx)
  return ctx.wait("5s", string.rep("x", 1000000))
end
