-- HookMemory
-- A text that doubles.
function run(ctx)
  local t = "x"
  while true do t = t .. t end
end
