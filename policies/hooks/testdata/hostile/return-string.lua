-- HookReturnInvalid
-- Returns a text.
function run(ctx)
  return "done"
end
