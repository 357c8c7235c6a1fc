package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"

	"stargate.io/stargate/policies/hooks/syntax"
	"stargate.io/stargate/policies/hooks/wire"
)

// run is one run of one script in a state of its own.
type run struct {
	*server
	in    wire.Run
	began time.Time
	// refused is what a function of the library last refused, and as what the run counts if the script lets
	// that end it.
	refused struct{ text, reason string }
	// logLines, logBytes, events and calls are what the script used of its bounds.
	logLines, logBytes, events, calls int
	chance                            *chance
	lines                             map[int]bool
}

// run one script to its end. A panic is of the script's making: what it is about is told as its error.
func (s *server) run(in wire.Run) (end wire.End) {
	r := &run{server: s, in: in, began: time.Now(), lines: map[int]bool{}}
	ctx, cancel := context.WithTimeout(context.Background(), in.Deadline)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			end = r.failed(wire.ReasonScriptError, fmt.Sprint(p))
		}
		if in.Lines {
			end.Lines = slices.Sorted(maps.Keys(r.lines))
		}
	}()
	proto, err := s.scripts.of(source{in.Name, in.Text, in.Lines})
	if err != nil {
		return r.failed(wire.ReasonScriptError, err.Error())
	}
	L := r.newState()
	if in.Lines {
		L.SetGlobal(syntax.Tracker, L.NewFunction(func(L *lua.LState) int {
			r.lines[L.CheckInt(1)] = true
			return 0
		}))
	}
	L.SetContext(ctx)
	given, told, err := r.call(L, proto)
	switch {
	case err != nil && ctx.Err() != nil:
		return r.failed(wire.ReasonDeadline, fmt.Sprintf("%sstill running after %s", r.where(err), in.Deadline))
	case err != nil:
		return r.raised(err)
	}
	return r.judge(given, told)
}

// call the script and then its run(ctx), and give what that returned and the ctx it had.
func (r *run) call(L *lua.LState, proto *lua.FunctionProto) (returned []lua.LValue, told *lua.LTable, err error) {
	if err := L.CallByParam(lua.P{Fn: L.NewFunctionFromProto(proto), Protect: true}); err != nil {
		return nil, nil, err
	}
	function, ok := L.GetGlobal("run").(*lua.LFunction)
	if !ok {
		return nil, nil, fmt.Errorf("%s defines no function run(ctx)", r.in.Name)
	}
	told, err = r.newContext(L)
	if err != nil {
		return nil, nil, err
	}
	L.SetTop(0)
	if err := L.CallByParam(lua.P{Fn: function, NRet: lua.MultRet, Protect: true}, told); err != nil {
		return nil, nil, err
	}
	for i := 1; i <= min(L.GetTop(), 2); i++ {
		returned = append(returned, L.Get(i))
	}
	return returned, told, nil
}

// raised tells an error that the script did not catch.
func (r *run) raised(err error) wire.End {
	text := err.Error()
	var lerr *lua.ApiError
	if errors.As(err, &lerr) {
		switch object := lerr.Object.(type) {
		case lua.LString, lua.LNumber:
			text = object.String()
		default:
			// Its __tostring is the script's and is not called.
			text = fmt.Sprintf("%sthe error is a %s, not a text: give error() a text", r.where(err), lerr.Object.Type())
		}
	}
	if r.refused.text != "" && strings.HasSuffix(text, r.refused.text) {
		return r.failed(r.refused.reason, text)
	}
	return r.failed(wire.ReasonScriptError, text)
}

func (r *run) failed(reason, text string) wire.End {
	return wire.End{Outcome: "Errored", Reason: reason, Message: clipped(text, wire.MaxMessage)}
}

// where an error arose, "drain.lua:12: ", as far as it tells.
func (r *run) where(err error) string {
	line := regexp.MustCompile(regexp.QuoteMeta(r.in.Name) + `:[0-9]+:`)
	var lerr *lua.ApiError
	if !errors.As(err, &lerr) {
		return ""
	}
	if text, ok := lerr.Object.(lua.LString); ok {
		if at := line.FindString(string(text)); at != "" {
			return at + " "
		}
	}
	if at := line.FindString(lerr.StackTrace); at != "" {
		return at + " "
	}
	return ""
}

// refuse ends a call of the library with an error that, if the script does not catch it, is why the run ends.
func (r *run) refuse(L *lua.LState, reason, format string, args ...any) {
	r.refused.text, r.refused.reason = clipped(fmt.Sprintf(format, args...), wire.MaxMessage/2), reason
	L.RaiseError("%s", r.refused.text)
}

// clipped text of at most so many bytes.
func clipped(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len("…")], "") + "…"
}
