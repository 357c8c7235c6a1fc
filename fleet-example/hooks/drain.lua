-- Takes a server's pods elsewhere before it is wiped, rebooted or switched off. Pods go through the eviction API, so
-- that disruption budgets hold; what they do not let go yet is asked for again every 15 seconds, until spec.timeout.
-- A server that is no node of a cluster has no pods.
function run(ctx)
  if not ctx.server.nodeName then
    return ctx.done()
  end
  kube.cordon()
  local left = kube.drain()
  if left > 0 then
    return ctx.wait("15s", "draining " .. ctx.server.nodeName .. ": " .. left .. " pods left")
  end
  return ctx.done()
end
