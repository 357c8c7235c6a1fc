-- HookScriptError
-- Says that it is another host.
function run(ctx)
  return http.get("http://rebind.example/", {headers = {Host = "169.254.169.254"}})
end
