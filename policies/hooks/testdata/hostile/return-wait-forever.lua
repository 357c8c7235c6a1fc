-- HookReturnInvalid
-- Waits for ever.
function run(ctx)
  return ctx.wait("1000000h")
end
