-- Takes a server's pods elsewhere before it is wiped. A server that is no node of a cluster has none.
function run(ctx)
  if ctx.server.nodeName == nil then
    return ctx.done()
  end
  kubernetes.cordon()
  local left = kubernetes.drain()
  if left > 0 then
    return ctx.wait("15s", "draining: " .. left .. " pods left")
  end
  return ctx.done()
end
