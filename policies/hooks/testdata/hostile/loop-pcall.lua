-- HookDeadline
-- Swallows every error, that of the deadline too.
function run(ctx)
  while true do pcall(function() while true do end end) end
end
