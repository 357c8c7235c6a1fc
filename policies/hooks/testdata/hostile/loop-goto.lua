-- HookDeadline
-- An endless loop of a goto.
function run(ctx)
  ::again::
  goto again
end
