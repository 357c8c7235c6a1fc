-- HookNotAllowed
-- A name that first leads out and then in.
function run(ctx)
  for i = 1, 5 do
    local ok, err = pcall(http.get, "http://rebind.example/")
    if not ok and string.find(err, "open internet") then error(err) end
  end
  return ctx.done()
end
