-- HookDeadline
-- An endless loop that does something.
function run(ctx)
  local n = 0
  repeat n = n + 1 until n < 0
  return ctx.done()
end
