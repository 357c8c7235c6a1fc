package worker

import lua "github.com/yuin/gopher-lua"

// Function that scripts may call beyond Lua's own. The table below both registers and documents them.
type Function struct {
	// Module that has it, empty for none, and its name.
	Module, Name string
	// Signature and Text tell people.
	Signature, Text string
	call            func(*run, *lua.LState) int
}

// contextFunctions are those of ctx.
var contextFunctions = []Function{
	{"ctx", "done", `ctx.done(message)`, "The hook is done. The message may be left out.", contextDone},
	{"ctx", "wait", `ctx.wait(duration, message)`, "Run again after the duration, from 1s to 1h, with `ctx.state` as it is now. The message says what for.", contextWait},
	{"ctx", "fail", `ctx.fail(message)`, "The hook has failed, for good: it is not run again.", contextFail},
}

var library = []Function{
	{"", "print", `print(...)`, "As `log.info`.", logInfo},
	{"", "setmetatable", `setmetatable(table, metatable)`, "As in Lua, of tables only.", setMetatable},
	{"string", "rep", `string.rep(text, n)`, "As in Lua; the text made is bounded.", stringRep},
	{"string", "format", `string.format(format, ...)`, "As in Lua 5.1: widths have two digits at most.", stringFormat},
	{"math", "random", `math.random(m, n)`, "As in Lua; what it draws follows from `ctx.key`, so every run of a hook for an Operation draws the same.", mathRandom},
	{"json", "encode", `json.encode(value)`, "The value as JSON, members sorted. An empty table is `{}`, unless it is a `json.array`.", jsonEncode},
	{"json", "decode", `json.decode(text)`, "The value of a JSON text: null is nil, and in a list false.", jsonDecode},
	{"json", "array", `json.array(table)`, "Marks a table, a new one if there is none, as a list, even while it is empty.", jsonList},
	{"base64", "encode", `base64.encode(text)`, "The text in base 64.", base64Encode},
	{"base64", "decode", `base64.decode(text)`, "Back; the alphabet for URLs and missing padding are taken too.", base64Decode},
	{"http", "get", `http.get(url, options)`, "A GET; gives `{status, headers, body}`, the names of headers in lower case. Options: `headers`, `timeout` (10s). What cannot be reached, or is not in `spec.allow.hosts`, is an error.", httpGet},
	{"http", "post", `http.post(url, options)`, "A POST; options also `body`. It carries `Idempotency-Key: ctx.key`, as every request that is not GET or HEAD, unless the script sets that header.", httpPost},
	{"http", "request", `http.request{method=, url=, headers=, body=, timeout=}`, "Any request.", httpRequest},
	{"time", "now", `time.now()`, "Seconds since 1970, with fractions.", timeNow},
	{"time", "parse", `time.parse(text)`, "Seconds since 1970 of a time such as `2026-01-02T15:04:05Z`.", timeParse},
	{"time", "format", `time.format(seconds)`, "The other way round, in UTC.", timeFormat},
	{"time", "duration", `time.duration(text)`, "Seconds of a duration such as `1h30m`.", timeDuration},
	{"log", "info", `log.info(...)`, "A line in the Operation's log.", logInfo},
	{"log", "warn", `log.warn(...)`, "A line that is a warning.", logWarn},
	{"event", "normal", `event.normal(reason, message)`, "An event of the Operation; the reason is one word in CamelCase.", eventNormal},
	{"event", "warning", `event.warning(reason, message)`, "An event that is a warning.", eventWarning},
	{"kube", "cordon", `kube.cordon()`, "Marks the server's node unschedulable.", verb("cordon", "")},
	{"kube", "uncordon", `kube.uncordon()`, "Marks it schedulable again.", verb("uncordon", "")},
	{"kube", "drain", `kube.drain{force=, keepEmptyDir=, gracePeriodSeconds=, podSelector=}`, "Evicts what may be evicted now, through the eviction API, and waits for nothing. Gives how many pods are left, and what is known of them.", verb("drain", "left")},
	{"kube", "deleteNode", `kube.deleteNode()`, "Deletes the Node object of a cordoned node, so that what is put on the machine joins anew. Gives whether there was one.", verb("deleteNode", "deleted")},
	{"kube", "nodeReady", `kube.nodeReady()`, "Whether the node is ready, and what is known of it: nothing, while there is none.", verb("nodeReady", "ready")},
	{"kube", "labels", `kube.labels{name = value}`, "Sets labels of the Server; false takes one away.", verb("labels", "")},
}

// open gives a state the library.
func (r *run) open(L *lua.LState, globals *lua.LTable) {
	for i := range library {
		function := &library[i]
		module := globals
		if function.Module != "" {
			known, ok := globals.RawGetString(function.Module).(*lua.LTable)
			if !ok {
				known = L.NewTable()
				globals.RawSetString(function.Module, known)
			}
			module = known
		}
		module.RawSetString(function.Name, L.NewFunction(r.bound(function.call)))
	}
}

// bound makes of a function of the library one of Lua.
func (r *run) bound(call func(*run, *lua.LState) int) lua.LGFunction {
	return func(L *lua.LState) int { return call(r, L) }
}
