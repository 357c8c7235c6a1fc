-- HookOutputTooLarge
-- Sends a body without end.
function run(ctx)
  http.post("https://allowed.example/", {body = string.rep("x", 8000000)})
end
