-- HookReturnInvalid
-- Returns what it should call.
function run(ctx)
  return ctx.done
end
