-- HookScriptError
-- Changes what all texts can do.
function run(ctx)
  getmetatable("").__index = function() return "mine" end
  return ("x").y
end
