-- HookOutputTooLarge
-- Asks the network without end.
function run(ctx)
  while true do
    local ok, err = pcall(http.get, "http://127.0.0.1/")
    if err:find("may make") then error(err) end
  end
end
