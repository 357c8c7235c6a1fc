-- HookScriptError or HookMemory
-- Sorts within sorting.
function run(ctx)
  local function f(a, b)
    table.sort({1, 2}, f)
    return true
  end
  table.sort({1, 2}, f)
end
