package hooks_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"stargate.io/stargate/policies/hooks"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// pool of workers that a test has for itself.
func pool(t testing.TB, options hooks.Options) *hooks.Pool {
	t.Helper()
	p := hooks.NewPool(options)
	t.Cleanup(p.Close)
	return p
}

// compile a script that must be one.
func compile(t testing.TB, text string) *hooks.Script {
	t.Helper()
	script, problems := hooks.Compile("test.lua", text)
	if len(problems) > 0 {
		t.Fatalf("compiling: %v\n%s", problems, text)
	}
	return script
}

// body gives a script whose run has this body.
func body(lines string) string { return "function run(ctx)\n" + lines + "\nend" }

func run(t testing.TB, p *hooks.Pool, call hooks.Call, host hooks.Host) hooks.Result {
	t.Helper()
	if call.Deadline == 0 {
		call.Deadline = 10 * time.Second
	}
	result, err := p.Run(t.Context(), call, host)
	if err != nil {
		t.Fatalf("running: %v", err)
	}
	return result
}

// cluster answers every verb, and keeps what it was asked.
type cluster struct {
	asked []string
	left  float64
}

func (c *cluster) Kubernetes(_ context.Context, verb string, arguments map[string]any) (any, error) {
	c.asked = append(c.asked, fmt.Sprint(verb, arguments))
	switch verb {
	case "drain":
		return map[string]any{"left": c.left, "pods": []string{"a"}}, nil
	case "nodeReady":
		return map[string]any{"ready": c.left == 0, "osImage": "Ubuntu 24.04"}, nil
	case "uncordon":
		return nil, fmt.Errorf("node is gone")
	}
	return map[string]any{}, nil
}

func TestReturns(t *testing.T) {
	p := pool(t, hooks.Options{Workers: 2})
	known := map[string]any{"server": map[string]any{"name": "server-001", "labels": map[string]any{}}}
	for _, c := range []struct {
		name, body             string
		outcome                hooks.Outcome
		reason, message, state string
		after                  time.Duration
	}{
		{name: "done", body: `return ctx.done()`, outcome: hooks.Done},
		{name: "done of a method", body: `return ctx:done("x")`, outcome: hooks.Done, message: "x"},
		{name: "wait", body: `ctx.state.n = (ctx.state.n or 0) + 1; ctx.wait("1s"); return ctx.wait("90s", "for " .. ctx.server.name)`,
			outcome: hooks.Wait, message: "for server-001", after: 90 * time.Second, state: `{"n":1}`},
		{name: "fail", body: `return ctx.fail("no " .. ctx.key)`, outcome: hooks.Fail, message: "no key-1"},
		{name: "nothing", body: `ctx.done()`, outcome: hooks.Errored, reason: hooks.ReasonBadReturn, message: "run returned nothing"},
		{name: "another value", body: `return true`, outcome: hooks.Errored, reason: hooks.ReasonBadReturn, message: "run returned a boolean"},
		{name: "two values", body: `return ctx.done(), 1`, outcome: hooks.Errored, reason: hooks.ReasonBadReturn, message: "more than one"},
		{name: "a wait too short", body: `return ctx.wait("1ms")`, outcome: hooks.Errored, reason: hooks.ReasonBadReturn, message: "test.lua:2: ctx.wait"},
		{name: "a wait too long", body: `return ctx.wait("2h")`, outcome: hooks.Errored, reason: hooks.ReasonBadReturn, message: "1s to 1h"},
		{name: "an error", body: `local x = nil; return x.y`, outcome: hooks.Errored, reason: hooks.ReasonScriptError, message: "test.lua:2:"},
		{name: "an error of its own", body: "\nerror('away')", outcome: hooks.Errored, reason: hooks.ReasonScriptError, message: "test.lua:3: away"},
		{name: "state of a list", body: `ctx.state = {1, 2}; return ctx.done()`, outcome: hooks.Errored, reason: hooks.ReasonBadReturn, message: "list"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := run(t, p, hooks.Call{Name: "test", Script: compile(t, body(c.body)), Context: known, Key: "key-1"}, nil)
			if got.Outcome != c.outcome || got.Reason != c.reason || !strings.Contains(got.Message, c.message) || string(got.State) != c.state || got.After != c.after {
				t.Errorf("got %+v", got)
			}
			if got.Took <= 0 || got.Memory <= 0 {
				t.Errorf("took %v, memory %d", got.Took, got.Memory)
			}
		})
	}
}
