-- Tells a chat's webhook what is about to happen to a server, or what came of it. One script for both sides: after the
-- job there is ctx.job. The request carries ctx.key as its Idempotency-Key, so that a receiver which looks at it tells
-- nobody twice.
local webhook = "https://chat.example.com/hooks/stargate"

function run(ctx)
  local what = ctx.operation.action .. " of " .. ctx.server.name
  if ctx.profile.osVersion then
    what = what .. " with OS " .. ctx.profile.osVersion
  end
  local text
  if ctx.job == nil then
    text = what .. " begins"
  elseif ctx.job.succeeded then
    text = what .. " is done"
  else
    text = what .. " failed: " .. ctx.job.message
  end
  local answer = http.post(webhook, {
    headers = {["Content-Type"] = "application/json"},
    body = json.encode({text = text}),
  })
  if answer.status >= 300 then
    error("the webhook answers " .. answer.status)
  end
  return ctx.done()
end
