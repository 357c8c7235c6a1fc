-- HookReturnInvalid
-- Waits into the past.
function run(ctx)
  return ctx.wait("-5s")
end
