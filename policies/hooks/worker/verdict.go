package worker

import (
	"encoding/json"
	"fmt"
	"time"

	lua "github.com/yuin/gopher-lua"

	"stargate.io/stargate/policies/hooks/wire"
)

// verdict is what ctx.done, ctx.wait and ctx.fail give; only one that is returned counts.
type verdict struct {
	outcome, message string
	after            time.Duration
}

// newContext makes the ctx of a run.
func (r *run) newContext(L *lua.LState) (*lua.LTable, error) {
	var members map[string]any
	if err := json.Unmarshal(r.in.Context, &members); err != nil {
		return nil, fmt.Errorf("reading the context: %w", err)
	}
	ctx := L.NewTable()
	for name, value := range members {
		member, err := toLua(L, value, 0)
		if err != nil {
			return nil, fmt.Errorf("reading the context's %s: %w", name, err)
		}
		ctx.RawSetString(name, member)
	}
	state := lua.LValue(L.NewTable())
	if len(r.in.State) > 0 {
		kept, err := decoded(L, r.in.State)
		if err != nil {
			return nil, fmt.Errorf("reading the state: %w", err)
		}
		state = kept
	}
	ctx.RawSetString("state", state)
	ctx.RawSetString("key", lua.LString(r.in.Key))
	for _, function := range contextFunctions {
		ctx.RawSetString(function.Name, L.NewFunction(r.bound(dotted(ctx, function.call))))
	}
	return ctx, nil
}

// dotted lets ctx:wait(…) be ctx.wait(…).
func dotted(ctx *lua.LTable, call func(*run, *lua.LState) int) func(*run, *lua.LState) int {
	return func(r *run, L *lua.LState) int {
		if L.GetTop() > 0 && L.Get(1) == ctx {
			L.Remove(1)
		}
		return call(r, L)
	}
}

func (r *run) give(L *lua.LState, v verdict) int {
	if len(v.message) > wire.MaxMessage {
		r.refuse(L, wire.ReasonOutput, "a message of %d bytes; it may have %d", len(v.message), wire.MaxMessage)
	}
	given := L.NewUserData()
	given.Value = &v
	L.Push(given)
	return 1
}

func contextDone(r *run, L *lua.LState) int {
	return r.give(L, verdict{outcome: "Done", message: L.OptString(1, "")})
}

func contextWait(r *run, L *lua.LState) int {
	after, err := time.ParseDuration(L.CheckString(1))
	if err != nil || after < wire.MinWait || after > wire.MaxWait {
		r.refuse(L, wire.ReasonBadReturn, `ctx.wait(%q): it takes a duration from %s to %s, for example "30s"`, clipped(L.CheckString(1), 64), wire.MinWait, wire.MaxWait)
	}
	return r.give(L, verdict{outcome: "Wait", message: L.OptString(2, ""), after: after})
}

func contextFail(r *run, L *lua.LState) int {
	return r.give(L, verdict{outcome: "Fail", message: L.CheckString(1)})
}

// judge what run(ctx) returned.
func (r *run) judge(returned []lua.LValue, ctx *lua.LTable) wire.End {
	v, what := verdictOf(returned)
	if v == nil {
		return r.failed(wire.ReasonBadReturn, "run returned "+what+`; it returns one of ctx.done(), ctx.wait("30s", "why") and ctx.fail("why")`)
	}
	state, reason, err := r.state(ctx)
	if err != nil {
		return r.failed(reason, err.Error())
	}
	return wire.End{Outcome: v.outcome, Message: v.message, After: v.after, State: state}
}

// verdictOf gives the verdict, or says what was returned in its place.
func verdictOf(returned []lua.LValue) (v *verdict, what string) {
	switch len(returned) {
	case 0:
		return nil, "nothing"
	case 1:
	default:
		return nil, "more than one value"
	}
	if data, ok := returned[0].(*lua.LUserData); ok {
		if v, ok := data.Value.(*verdict); ok {
			return v, ""
		}
	}
	return nil, "a " + returned[0].Type().String()
}

// state that the script leaves; nothing for an empty one.
func (r *run) state(ctx *lua.LTable) (state json.RawMessage, reason string, err error) {
	switch value := ctx.RawGetString("state").(type) {
	case *lua.LNilType:
		return nil, "", nil
	case *lua.LTable:
		encoded, err := encoded(value, wire.MaxState)
		switch {
		case isTooLarge(err):
			return nil, wire.ReasonOutput, fmt.Errorf("ctx.state: more than %d bytes of JSON; keep less", wire.MaxState)
		case err != nil:
			return nil, wire.ReasonBadReturn, fmt.Errorf("ctx.state: %w", err)
		case encoded[0] != '{':
			return nil, wire.ReasonBadReturn, fmt.Errorf("ctx.state: it is a list; give its members names")
		case len(encoded) == len("{}"):
			return nil, "", nil
		}
		return encoded, "", nil
	default:
		return nil, wire.ReasonBadReturn, fmt.Errorf("ctx.state: it is a %s; it must stay a table", value.Type())
	}
}
