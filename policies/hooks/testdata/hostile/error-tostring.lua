-- HookScriptError
-- An error whose text never comes.
function run(ctx)
  error(setmetatable({}, {__tostring = function() while true do end end}))
end
