-- HookMemory
-- A text that grows with each turn.
function run(ctx)
  local t = "x"
  while true do t = base64.encode(t) .. t end
end
