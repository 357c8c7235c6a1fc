-- HookNotAllowed
-- The cloud's own address, in IPv6.
function run(ctx)
  return http.get("http://[fd00:ec2::254]/latest/meta-data/")
end
