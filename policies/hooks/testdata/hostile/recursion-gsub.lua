-- HookScriptError or HookMemory
-- Replaces within a replacement.
function run(ctx)
  local function f() return (string.gsub("a", "a", f)) end
  return f()
end
