-- HookScriptError
-- A value that is called by calling it.
function run(ctx)
  local t
  t = setmetatable({}, {__call = function() return t() + 1 end})
  return t()
end
