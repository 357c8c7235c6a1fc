-- HookDeadline
-- The error's handler loops in its turn.
function run(ctx)
  while true do
    xpcall(function() while true do end end, function() while true do end end)
  end
end
