-- HookNotAllowed
-- This very machine, written so that it is not seen.
function run(ctx)
  return http.get("http://0177.0.0.1/")
end
