-- HookScriptError
-- Counts more values than a stack has.
function run(ctx)
  return select("#", unpack({}, 1, 1e8))
end
