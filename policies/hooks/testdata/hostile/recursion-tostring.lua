-- HookScriptError or HookMemory
-- A text of itself.
function run(ctx)
  local t
  t = setmetatable({}, {__tostring = function() return tostring(t) end})
  return tostring(t)
end
