-- HookNotAllowed
-- A file as an address.
function run(ctx)
  return http.get("file:///etc/passwd")
end
