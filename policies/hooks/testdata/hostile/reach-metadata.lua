-- HookNotAllowed
-- The cloud's own address.
function run(ctx)
  return http.get("http://169.254.169.254/latest/meta-data/")
end
