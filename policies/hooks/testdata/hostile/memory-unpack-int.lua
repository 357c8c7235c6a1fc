-- HookScriptError
-- Unpacks over the largest number.
function run(ctx)
  return unpack({}, 1, 2^53)
end
