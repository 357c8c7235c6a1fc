-- Asks the inventory whether a server may be touched: 200 with {"state": "free"} is a yes, "reserved" is asked again in
-- five minutes, anything else is a no. A server that the inventory does not know is not touched.
local inventory = "https://cmdb.example.com/api/v1/servers/"

function run(ctx)
  local answer = http.get(inventory .. ctx.server.name)
  if answer.status == 404 then
    return ctx.fail("the inventory does not know " .. ctx.server.name .. ": enter it first")
  end
  if answer.status ~= 200 then
    error("the inventory answers " .. answer.status) -- tried again, spec.retries times
  end
  local entry = json.decode(answer.body)
  if entry.state == "free" then
    return ctx.done()
  end
  if entry.state == "reserved" then
    return ctx.wait("5m", "the inventory has it reserved for " .. (entry.owner or "somebody"))
  end
  return ctx.fail("the inventory says " .. tostring(entry.state) .. ": " .. (entry.note or "no reason given"))
end
