-- HookNotAllowed
-- Tries all verbs.
function run(ctx)
  for _, verb in ipairs({"cordon", "drain", "uncordon", "labels"}) do
    if pcall(kube[verb], {}) then return ctx.done("got through: " .. verb) end
  end
  kube.nodeReady()
end
