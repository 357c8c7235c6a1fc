-- Asks an inventory, and drains.
function run(ctx)
  local answer = http.get("https://cmdb.example.com/servers/" .. ctx.server.name)
  if answer.status == 404 then
    event.warning("NotKnown", ctx.server.name .. " is not in the inventory")
    return ctx.fail("not known")
  elseif answer.status ~= 200 then
    error("the inventory answers " .. answer.status)
  end
  local left, info = kube.drain{force = true}
  log.info("left", left, "at", time.format(time.now()))
  if left > 0 then
    ctx.state.asked = (ctx.state.asked or 0) + 1
    return ctx.wait("15s", left .. " pods left: " .. table.concat(info.pods, ", "))
  end
  http.post("https://cmdb.example.com/taken", {body = json.encode({server = ctx.server.name})})
  return ctx.done()
end
