package worker

import (
	"math"
	"regexp"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"stargate.io/stargate/policies/hooks/wire"
)

// send a frame; without the parent there is nobody to go on for.
func (r *run) send(L *lua.LState, kind wire.Kind, message any) {
	if err := wire.Write(r.out, kind, message); err != nil {
		L.RaiseError("%s", err)
	}
}

func (r *run) log(L *lua.LState, text string) int {
	r.logLines++
	r.logBytes += len(text)
	if r.logLines > wire.MaxLogLines || r.logBytes > wire.MaxLogBytes {
		r.refuse(L, wire.ReasonOutput, "the log of a run may have %d lines and %d bytes", wire.MaxLogLines, wire.MaxLogBytes)
	}
	r.send(L, wire.KindLog, wire.Log{Text: text})
	return 0
}

// words are all arguments as print gives them.
func words(L *lua.LState) string {
	var all []string
	for i := 1; i <= L.GetTop(); i++ {
		all = append(all, L.ToStringMeta(L.Get(i)).String())
	}
	return strings.Join(all, " ")
}

func logInfo(r *run, L *lua.LState) int { return r.log(L, words(L)) }

func logWarn(r *run, L *lua.LState) int { return r.log(L, "warning: "+words(L)) }

var camelCase = regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`)

func (r *run) event(L *lua.LState, warning bool) int {
	reason, message := L.CheckString(1), L.CheckString(2)
	switch r.events++; {
	case r.events > wire.MaxEvents:
		r.refuse(L, wire.ReasonOutput, "a run may tell %d events", wire.MaxEvents)
	case len(message) > wire.MaxEventMessage || len(reason) > wire.MaxEventReason:
		r.refuse(L, wire.ReasonOutput, "an event's reason may have %d bytes and its message %d", wire.MaxEventReason, wire.MaxEventMessage)
	case !camelCase.MatchString(reason):
		L.ArgError(1, `the reason of an event is one word in CamelCase, for example "Drained"`)
	}
	r.send(L, wire.KindEvent, wire.Event{Warning: warning, Reason: reason, Message: message})
	return 0
}

func eventNormal(r *run, L *lua.LState) int { return r.event(L, false) }

func eventWarning(r *run, L *lua.LState) int { return r.event(L, true) }

// now is the parent's clock, and goes on from there.
func (r *run) now() time.Time {
	if r.in.Frozen {
		return r.in.Now
	}
	return r.in.Now.Add(time.Since(r.began))
}

func timeNow(r *run, L *lua.LState) int {
	L.Push(lua.LNumber(float64(r.now().UnixMilli()) / 1000))
	return 1
}

func timeParse(_ *run, L *lua.LState) int {
	at, err := time.Parse(time.RFC3339, L.CheckString(1))
	if err != nil {
		L.RaiseError(`time.parse(%q): it takes a time such as "2026-01-02T15:04:05Z"`, clipped(L.CheckString(1), 64))
	}
	L.Push(lua.LNumber(float64(at.UnixMilli()) / 1000))
	return 1
}

func timeFormat(_ *run, L *lua.LState) int {
	seconds := float64(L.CheckNumber(1))
	if math.IsNaN(seconds) || math.Abs(seconds) > 253402300799 {
		L.ArgError(1, "seconds since 1970, before the year 10000")
	}
	L.Push(lua.LString(time.UnixMilli(int64(seconds * 1000)).UTC().Format(time.RFC3339)))
	return 1
}

func timeDuration(_ *run, L *lua.LState) int {
	duration, err := time.ParseDuration(L.CheckString(1))
	if err != nil {
		L.RaiseError(`time.duration(%q): it takes a duration such as "1h30m"`, clipped(L.CheckString(1), 64))
	}
	L.Push(lua.LNumber(duration.Seconds()))
	return 1
}
