-- After the datacenter's job: the server counts as done only once it is a ready node again, with the OS version that its
-- profile names. Then it takes pods again.
function run(ctx)
  if not ctx.job.succeeded or not ctx.server.nodeName then
    return ctx.done()
  end
  local ready, node = kube.nodeReady()
  if not ready then
    return ctx.wait("15s", "node " .. ctx.server.nodeName .. " is not ready yet: " .. node.message)
  end
  if ctx.operation.action == "repave" then
    local wanted = ctx.profile.osVersion
    if not string.find(node.osImage, wanted, 1, true) then
      return ctx.fail("node " .. ctx.server.nodeName .. " runs " .. node.osImage .. ", not OS version " .. wanted)
    end
  end
  kube.uncordon()
  return ctx.done()
end
