-- HookReturnInvalid
-- Hopes that it is called when nothing is left.
function run(ctx)
  setmetatable({}, {__gc = function() while true do end end})
  return nil
end
