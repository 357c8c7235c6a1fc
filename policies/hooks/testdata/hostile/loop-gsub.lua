-- HookDeadline
-- Replaces by a function that loops.
function run(ctx)
  return string.gsub("aaaa", "a", function() while true do end end)
end
