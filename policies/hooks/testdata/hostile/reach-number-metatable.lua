-- HookScriptError
-- Gives all numbers a table.
function run(ctx)
  setmetatable(1, {__index = function() return 1 end})
end
