-- HookOutputTooLarge or HookScriptError
-- A small value that is large once written out.
function run(ctx)
  local t = {1}
  for i = 1, 30 do t = {t, t} end
  return json.encode(t)
end
