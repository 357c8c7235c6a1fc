-- HookNotAllowed
-- This very machine.
function run(ctx)
  return http.get("http://127.0.0.1:6443/")
end
