-- HookOutputTooLarge
-- Says too much.
function run(ctx)
  return ctx.fail(string.rep("x", 1000000))
end
