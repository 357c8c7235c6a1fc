//go:build bench

package bench_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/parse"

	"stargate.io/stargate/policies/hooks"
	"stargate.io/stargate/test/bench"
)

const (
	// hookBar is how many milliseconds a warm worker may add.
	hookBar = 1
	// runsAHalf of a round are made with ours, and as many with the peer, twice.
	runsAHalf = 100
)

// hookScript does a little of what scripts do, with what both sides have.
const hookScript = `
function run(ctx)
  local words = {}
  for i = 1, 50 do
    words[i] = ctx.server.name .. "-" .. i
  end
  local found = 0
  for _ in string.gmatch(table.concat(words, ","), "[^,]+") do
    found = found + 1
  end
  if found ~= 50 then
    return ctx.fail("miscounted")
  end
  return ctx.done()
end
`

// TestHook measures what a warm worker process adds to a run of the same script in a bare, fresh state
// of gopher-lua in this process.
func TestHook(t *testing.T) {
	script, problems := hooks.Compile("bench.lua", hookScript)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	pool := hooks.NewPool(hooks.Options{Workers: 1})
	defer pool.Close()
	call := hooks.Call{Name: "bench", Script: script, Key: "uid/bench", Deadline: 10 * time.Second,
		Context: map[string]any{"server": map[string]any{"name": "server-001"}}}
	ours := func() error {
		result, err := pool.Run(context.Background(), call, nil)
		if err == nil && result.Outcome != hooks.Done {
			err = fmt.Errorf("%s: %s", result.Outcome, result.Message)
		}
		return err
	}
	bare, err := bareScript(hookScript)
	if err != nil {
		t.Fatal(err)
	}
	for _, warm := range []func() error{ours, bare} {
		if err := warm(); err != nil {
			t.Fatal(err)
		}
	}
	var added, alone []float64
	for range *roundCount {
		a, b, c, d := timed(t, ours), timed(t, bare), timed(t, bare), timed(t, ours)
		added = append(added, (a+d-b-c)/2)
		alone = append(alone, (b+c)/2)
	}
	median, low, high := bench.Interval(added)
	bareMedian, _, _ := bench.Interval(alone)
	note := fmt.Sprintf("milliseconds; the bare run takes %.3f", bareMedian)
	t.Log(note)
	add(bench.Row{Name: "hook", Value: median, Low: low, High: high, Bar: hookBar, Better: "lower", Note: note})
}

// timed gives the milliseconds of one run.
func timed(t *testing.T, run func() error) float64 {
	t.Helper()
	began := time.Now()
	for range runsAHalf {
		if err := run(); err != nil {
			t.Fatal(err)
		}
	}
	return float64(time.Since(began).Microseconds()) / 1000 / runsAHalf
}

// bareScript is a script, compiled once, in a state of its own for each run, with no bounds at all.
func bareScript(text string) (func() error, error) {
	chunk, err := parse.Parse(strings.NewReader(text), "bench.lua")
	if err != nil {
		return nil, err
	}
	proto, err := lua.Compile(chunk, "bench.lua")
	if err != nil {
		return nil, err
	}
	return func() error {
		state := lua.NewState()
		defer state.Close()
		state.Push(state.NewFunctionFromProto(proto))
		if err := state.PCall(0, 0, nil); err != nil {
			return err
		}
		server, ctx := state.NewTable(), state.NewTable()
		server.RawSetString("name", lua.LString("server-001"))
		ctx.RawSetString("server", server)
		said := ""
		for _, word := range []string{"done", "fail"} {
			ctx.RawSetString(word, state.NewFunction(func(*lua.LState) int { said = word; return 0 }))
		}
		if err := state.CallByParam(lua.P{Fn: state.GetGlobal("run"), NRet: 1, Protect: true}, ctx); err != nil {
			return err
		}
		if said != "done" {
			return fmt.Errorf("the script said %q", said)
		}
		return nil
	}, nil
}
