-- HookScriptError
-- Collects garbage all the time.
function run(ctx)
  while true do collectgarbage() end
end
