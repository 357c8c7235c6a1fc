package worker

import (
	"encoding/json"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"stargate.io/stargate/policies/hooks/wire"
)

// ask the parent, and wait for it: it keeps the deadline, and ends this process if it must.
func (r *run) ask(L *lua.LState, kind wire.Kind, message any) wire.Reply {
	if r.calls++; r.calls > wire.MaxCalls {
		r.refuse(L, wire.ReasonOutput, "a run may make %d calls of http and kube", wire.MaxCalls)
	}
	r.send(L, kind, message)
	reply := <-r.replies
	switch {
	case reply.Error != "" && reply.Reason != "":
		r.refuse(L, reply.Reason, "%s", reply.Error)
	case reply.Error != "":
		L.RaiseError("%s", reply.Error)
	}
	return reply
}

func httpGet(r *run, L *lua.LState) int {
	return r.http(L, "GET", L.CheckString(1), L.OptTable(2, nil))
}

func httpPost(r *run, L *lua.LState) int {
	return r.http(L, "POST", L.CheckString(1), L.OptTable(2, nil))
}

func httpRequest(r *run, L *lua.LState) int {
	options := L.CheckTable(1)
	url, ok := options.RawGetString("url").(lua.LString)
	if !ok {
		L.ArgError(1, "url is missing")
	}
	method, ok := options.RawGetString("method").(lua.LString)
	if !ok {
		method = "GET"
	}
	return r.http(L, strings.ToUpper(string(method)), string(url), options)
}

func (r *run) http(L *lua.LState, method, url string, options *lua.LTable) int {
	request := wire.HTTP{Method: method, URL: url, Headers: map[string]string{}, Timeout: wire.DefaultTimeout}
	if options != nil {
		options.ForEach(func(key, value lua.LValue) { r.option(L, &request, key.String(), value) })
	}
	if len(request.Body) > wire.MaxBody || len(url) > wire.MaxURL {
		r.refuse(L, wire.ReasonOutput, "http: a body may have %d bytes and an address %d", wire.MaxBody, wire.MaxURL)
	}
	if method != "GET" && method != "HEAD" && !has(request.Headers, "Idempotency-Key") {
		request.Headers["Idempotency-Key"] = r.in.Key
	}
	reply := r.ask(L, wire.KindHTTP, request)
	answer := L.NewTable()
	if reply.HTTP != nil {
		answer.RawSetString("status", lua.LNumber(reply.HTTP.Status))
		answer.RawSetString("body", lua.LString(reply.HTTP.Body))
		headers := L.NewTable()
		for name, value := range reply.HTTP.Headers {
			headers.RawSetString(strings.ToLower(name), lua.LString(value))
		}
		answer.RawSetString("headers", headers)
	}
	L.Push(answer)
	return 1
}

func has(headers map[string]string, wanted string) bool {
	for name := range headers {
		if strings.EqualFold(name, wanted) {
			return true
		}
	}
	return false
}

func (r *run) option(L *lua.LState, request *wire.HTTP, name string, value lua.LValue) {
	switch name {
	case "url", "method":
	case "body":
		text, ok := value.(lua.LString)
		if !ok {
			L.RaiseError("http: body is a text; json.encode makes one of a table")
		}
		request.Body = []byte(text)
	case "timeout":
		timeout, err := time.ParseDuration(value.String())
		if err != nil || timeout <= 0 {
			L.RaiseError(`http: timeout is a duration, for example "5s"`)
		}
		request.Timeout = timeout
	case "headers":
		r.headers(L, request, value)
	default:
		L.RaiseError("http: no option %q; there are headers, body and timeout", clipped(name, 64))
	}
}

func (r *run) headers(L *lua.LState, request *wire.HTTP, value lua.LValue) {
	table, ok := value.(*lua.LTable)
	if !ok {
		L.RaiseError("http: headers is a table")
	}
	size := 0
	table.ForEach(func(key, value lua.LValue) {
		if key.Type() != lua.LTString || !lua.LVCanConvToString(value) {
			L.RaiseError("http: headers are texts by name")
		}
		size += len(key.String()) + len(value.String())
		request.Headers[key.String()] = value.String()
	})
	if len(request.Headers) > wire.MaxHeaders || size > wire.MaxHeaderBytes {
		r.refuse(L, wire.ReasonOutput, "http: a request may have %d headers of %d bytes", wire.MaxHeaders, wire.MaxHeaderBytes)
	}
}

// verb gives a function of kube. Of an answer with a member named first, that is given before the whole.
func verb(name, first string) func(*run, *lua.LState) int {
	return func(r *run, L *lua.LState) int {
		arguments := []byte("{}")
		if table := L.OptTable(1, nil); table != nil {
			text, err := encoded(table, wire.MaxArguments)
			if err != nil {
				L.RaiseError("kube.%s: %s", name, err)
			}
			arguments = text
		}
		reply := r.ask(L, wire.KindKube, wire.Kube{Verb: name, Arguments: json.RawMessage(arguments)})
		answer, err := decoded(L, reply.Kube)
		if err != nil {
			L.RaiseError("kube.%s: %s", name, err)
		}
		if table, ok := answer.(*lua.LTable); ok && first != "" && table.RawGetString(first) != lua.LNil {
			L.Push(table.RawGetString(first))
			L.Push(table)
			return 2
		}
		L.Push(answer)
		return 1
	}
}
