-- HookScriptError
-- A header with another in it.
function run(ctx)
  return http.get("http://steady.example/", {headers = {x = "a\r\nHost: 169.254.169.254"}})
end
