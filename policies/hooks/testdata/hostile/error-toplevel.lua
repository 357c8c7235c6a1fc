-- HookScriptError
-- Fails before run is called.
error('no')
function run(ctx) return ctx.done() end
