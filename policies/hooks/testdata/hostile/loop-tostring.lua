-- HookDeadline
-- A text that is asked for and never comes.
function run(ctx)
  log.info(setmetatable({}, {__tostring = function() while true do end end}))
end
