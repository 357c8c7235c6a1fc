-- HookScriptError
-- Looks for what is left through the globals.
function run(ctx)
  for _, name in ipairs({"io", "os", "debug", "package", "channel", "dofile", "load", "loadfile", "loadstring", "require", "module", "getfenv", "setfenv", "newproxy", "collectgarbage"}) do
    if rawget(_G, name) ~= nil then return ctx.done(name) end
  end
  error("nothing is left")
end
