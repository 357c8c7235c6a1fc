-- HookReturnInvalid
-- Returns a table that looks right.
function run(ctx)
  return {outcome = "Done", done = true}
end
