-- HookMemory
-- Keeps the library's own values.
function run(ctx)
  local t = {}
  while true do t[#t + 1] = ctx.done(string.rep('x', 4000)) end
end
