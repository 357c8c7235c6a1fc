-- HookScriptError
-- Reaches for channel.
function run(ctx)
  return channel.make()
end
