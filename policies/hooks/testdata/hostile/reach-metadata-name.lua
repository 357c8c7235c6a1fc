-- HookNotAllowed
-- A name for the cloud's own address.
function run(ctx)
  return http.get("http://metadata.google.internal/computeMetadata/v1/", {headers = {["Metadata-Flavor"] = "Google"}})
end
