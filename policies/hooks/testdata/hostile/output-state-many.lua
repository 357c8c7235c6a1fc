-- HookOutputTooLarge
-- Keeps too many.
function run(ctx)
  for i = 1, 100000 do ctx.state["k" .. i] = i end
  return ctx.wait("5s")
end
