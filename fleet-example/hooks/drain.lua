-- Takes a server's pods elsewhere before it is wiped, rebooted or switched off. Pods go through the eviction API, so
-- that disruption budgets hold; what they do not let go yet is asked for again every 15 seconds, until spec.timeout.
-- A server that is no node of a cluster has no pods. What a repave puts on the machine is another node of the same name:
-- the old one goes, so that it joins afresh and nobody takes the one for the other.
function run(ctx)
  if not ctx.server.nodeName then
    return ctx.done()
  end
  local _, node = kube.nodeReady()
  if not node.node then
    return ctx.done() -- an earlier run has seen it out
  end
  kube.cordon()
  local left = kube.drain()
  if left > 0 then
    return ctx.wait("15s", "draining " .. ctx.server.nodeName .. ": " .. left .. " pods left")
  end
  if ctx.operation.action == "repave" then
    kube.deleteNode()
  end
  return ctx.done()
end
