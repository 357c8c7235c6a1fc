-- HookNotAllowed
-- A verb that is not allowed.
function run(ctx)
  kube.drain{}
end
