-- HookScriptError
-- JSON of what has itself in it.
function run(ctx)
  local t = {}
  t.t = t
  return json.encode(t)
end
