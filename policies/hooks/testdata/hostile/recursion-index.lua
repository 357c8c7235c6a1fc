-- HookScriptError
-- An index that leads to itself.
function run(ctx)
  local t = {}
  setmetatable(t, {__index = t})
  return t.x.y
end
