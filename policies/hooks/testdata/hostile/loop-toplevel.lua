-- HookDeadline
-- An endless loop before run is called.
while true do end
function run(ctx) return ctx.done() end
