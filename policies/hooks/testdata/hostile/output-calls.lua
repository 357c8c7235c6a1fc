-- HookOutputTooLarge
-- Calls without end.
function run(ctx)
  while true do
    local _, err = pcall(kube.nodeReady)
    if err:find("may make") then error(err) end
  end
end
