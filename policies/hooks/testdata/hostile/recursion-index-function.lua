-- HookScriptError
-- An index that asks for itself.
function run(ctx)
  local t
  t = setmetatable({}, {__index = function(_, k) return t[k] end})
  return t.x
end
