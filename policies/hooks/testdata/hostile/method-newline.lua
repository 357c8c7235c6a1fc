-- HookScriptError
-- A method with a request in it.
function run(ctx)
  return http.request{method = "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET", url = "http://steady.example/"}
end
