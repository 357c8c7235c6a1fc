-- HookScriptError
-- A name with signs that are not for messages.
function run(ctx)
  error("\27[31m\0\r\n" .. string.char(255, 254))
end
