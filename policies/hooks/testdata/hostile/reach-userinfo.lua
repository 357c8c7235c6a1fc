-- HookNotAllowed
-- An address that looks like another.
function run(ctx)
  return http.get("https://allowed.example@169.254.169.254/")
end
