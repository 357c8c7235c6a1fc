-- HookReturnInvalid
-- Returns nothing.
function run(ctx)
  ctx.done()
end
