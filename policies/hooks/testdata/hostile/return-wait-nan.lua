-- HookReturnInvalid
-- Waits for no number.
function run(ctx)
  return ctx.wait(tostring(0/0) .. "s")
end
