-- HookScriptError
-- A directive of Go that shows what is inside.
function run(ctx)
  return string.format("%v %#v %p", ctx, ctx, run)
end
