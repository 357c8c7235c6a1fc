-- HookReturnInvalid
-- Keeps what is nested without end.
function run(ctx)
  local t = ctx.state
  for i = 1, 10000 do
    t.x = {}
    t = t.x
  end
  return ctx.wait("5s")
end
