-- HookScriptError
-- Joins by joining.
function run(ctx)
  local t
  t = setmetatable({}, {__concat = function() return t .. "x" end})
  return t .. "x"
end
