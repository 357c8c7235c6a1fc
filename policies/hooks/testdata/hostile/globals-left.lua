-- HookScriptError
-- Leaves globals, and finds none of an earlier run.
function run(ctx)
  if left ~= nil or string.mine or math.pi == 3 then return ctx.done("found what another left") end
  left, string.mine, math.pi = 1, 1, 3
  string.format, json.decode, ctx.done = nil, nil, nil
  error("left")
end
