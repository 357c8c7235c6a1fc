-- HookReturnInvalid
-- Keeps a table that makes its members up.
function run(ctx)
  ctx.state = setmetatable({f = print}, {__index = function() while true do end end})
  return ctx.wait("5s")
end
