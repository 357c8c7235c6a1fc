package hooks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stargate.io/stargate/policies/hooks"
)

// TestOneHookLeavesRoomForOthers: though more runs of one that never ends are wanted than there are workers,
// another is run meanwhile, and none of the first is over.
func TestOneHookLeavesRoomForOthers(t *testing.T) {
	p := pool(t, hooks.Options{Workers: 4})
	ctx, cancel := context.WithCancel(t.Context())
	forever := compile(t, body("while true do end"))
	var hogs sync.WaitGroup
	for range 12 {
		hogs.Go(func() {
			if _, err := p.Run(ctx, hooks.Call{Name: "hog", Script: forever, Deadline: time.Hour}, nil); !errors.Is(err, context.Canceled) {
				t.Errorf("a hog: %v", err)
			}
		})
	}
	for range 20 {
		if got := run(t, p, hooks.Call{Name: "other", Script: compile(t, body("return ctx.done()"))}, nil); got.Outcome != hooks.Done {
			t.Fatalf("the other: %+v", got)
		}
	}
	cancel()
	hogs.Wait()
	if got := run(t, p, hooks.Call{Name: "hog", Script: compile(t, body("return ctx.done()"))}, nil); got.Outcome != hooks.Done {
		t.Errorf("after the hogs: %+v", got)
	}
}

func TestTooManyThatWait(t *testing.T) {
	p := pool(t, hooks.Options{Workers: 1, Queue: 1})
	ctx, cancel := context.WithCancel(t.Context())
	var line sync.WaitGroup
	forever := compile(t, body("while true do end"))
	busy := make(chan error, 8)
	for range 8 {
		line.Go(func() {
			_, err := p.Run(ctx, hooks.Call{Name: "hog", Script: forever, Deadline: time.Hour}, nil)
			busy <- err
		})
	}
	for range 6 { // one runs and one waits
		if err := <-busy; !errors.Is(err, hooks.ErrBusy) {
			t.Errorf("got %v", err)
		}
	}
	cancel()
	line.Wait()
}

// TestRunsShareNothing: neither globals nor changes of the library outlive a run, in the same worker.
func TestRunsShareNothing(t *testing.T) {
	p := pool(t, hooks.Options{Workers: 1})
	spoil := compile(t, body(`
		left = "secret"
		string.rep, table.concat, json.encode, ctx.done = nil, nil, nil, nil
		_G.pcall = nil
		math.random = function() return "mine" end
		return ctx.wait("5s", tostring(http))`))
	look := compile(t, body(`
		assert(left == nil and string.rep and table.concat and json.encode and pcall)
		return ctx.done(math.random(1000) .. " " .. ("x"):rep(3))`))
	first := run(t, p, hooks.Call{Name: "look", Script: look, Key: "a"}, nil)
	for range 3 {
		if got := run(t, p, hooks.Call{Name: "spoil", Script: spoil}, nil); got.Outcome != hooks.Wait {
			t.Fatalf("spoiling: %+v", got)
		}
		if got := run(t, p, hooks.Call{Name: "look", Script: look, Key: "a"}, nil); got.Outcome != hooks.Done || got.Message != first.Message {
			t.Errorf("afterwards: %+v, before %+v", got, first)
		}
	}
	if got := run(t, p, hooks.Call{Name: "look", Script: look, Key: "b"}, nil); got.Message == first.Message {
		t.Errorf("another key draws the same: %s", got.Message)
	}
}

// TestTheWorkerIsConfined as the kernel sees it.
func TestTheWorkerIsConfined(t *testing.T) {
	t.Setenv("SECRET", "hunter2")
	file, err := os.Open(os.Args[0]) // a descriptor that must not be handed down
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p := pool(t, hooks.Options{Workers: 1})
	run(t, p, hooks.Call{Name: "warm", Script: compile(t, body("return ctx.done()"))}, nil)
	workers := children(t)
	if len(workers) != 1 {
		t.Fatalf("children: %v", workers)
	}
	pid, _, _ := strings.Cut(workers[0], " ")
	if environment, err := os.ReadFile("/proc/" + pid + "/environ"); err == nil && len(environment) > 0 {
		t.Errorf("its environment: %q", environment)
	}
	if got := status(t, pid, "NoNewPrivs"); got != 1 {
		t.Errorf("it may gain privileges")
	}
	limits, err := os.ReadFile("/proc/" + pid + "/limits")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"Max core file size": "0", "Max file size": "0", "Max open files": "16"} {
		found := false
		for line := range strings.Lines(string(limits)) {
			if rest, ok := strings.CutPrefix(line, name); ok {
				fields := strings.Fields(rest)
				found = fields[0] == want && fields[1] == want
			}
		}
		if !found {
			t.Errorf("%s is not %s:\n%s", name, want, limits)
		}
	}
	descriptors, err := os.ReadDir("/proc/" + pid + "/fd")
	if err != nil {
		t.Logf("its descriptors are not ours to see: %v", err)
		return
	}
	for _, descriptor := range descriptors {
		target, err := os.Readlink(filepath.Join("/proc", pid, "fd", descriptor.Name()))
		// Go's runtime itself watches how much processor its control group may have.
		ours := strings.HasPrefix(target, "pipe:") || target == "/dev/null" || strings.HasPrefix(target, "anon_inode:") || strings.HasPrefix(target, "/sys/fs/cgroup/")
		if err == nil && !ours {
			t.Errorf("descriptor %s is %s", descriptor.Name(), target)
		}
	}
	ours, _ := os.Readlink("/proc/self/ns/net")
	if theirs, err := os.Readlink("/proc/" + pid + "/ns/net"); err == nil && theirs == ours {
		t.Logf("this kernel gives it no network of its own")
	}
}

// TestAContextOfAnyShape reaches the script as it is.
func TestAContextOfAnyShape(t *testing.T) {
	p := pool(t, hooks.Options{Workers: 1})
	known := map[string]any{"n": 1.5, "i": 7, "b": true, "l": []any{"a", nil, 2}, "e": []any{}, "m": map[string]any{"x": map[string]any{}}, "u": "ü\x00"}
	script := compile(t, body(`return ctx.fail(json.encode({ctx.n, ctx.i, ctx.b, ctx.l, ctx.e, ctx.m, ctx.u}))`))
	got := run(t, p, hooks.Call{Name: "shape", Script: script, Context: known}, nil)
	if want := `[1.5,7,true,["a",false,2],[],{"x":{}},"ü\u0000"]`; got.Message != want {
		t.Errorf("got %s, expected %s", got.Message, want)
	}
	got = run(t, p, hooks.Call{Name: "large", Script: script, Context: map[string]any{"x": strings.Repeat("x", 1<<20)}}, nil)
	if got.Reason != hooks.ReasonOutput {
		t.Errorf("a context too large: %+v", got)
	}
	for state, reason := range map[string]string{"[]": hooks.ReasonBadReturn, "null": hooks.ReasonBadReturn, "{": hooks.ReasonBadReturn, `{"x":"` + strings.Repeat("x", 16<<10) + `"}`: hooks.ReasonOutput} {
		if got := run(t, p, hooks.Call{Name: "state", Script: script, State: json.RawMessage(state)}, nil); got.Reason != reason {
			t.Errorf("state %.20s: %+v", state, got)
		}
	}
}

// TestVerbs are carried out if they are allowed, and what they gave reaches the script.
func TestVerbs(t *testing.T) {
	p := pool(t, hooks.Options{Workers: 1})
	c := &cluster{left: 2}
	script := compile(t, body(`
		kube.cordon()
		local left, info = kube.drain{gracePeriodSeconds = 30}
		local ready, node = kube.nodeReady()
		local ok, err = pcall(kube.uncordon)
		local may, why = pcall(kube.labels, {x = "y"})
		return ctx.wait("5s", table.concat({left, info.pods[1], tostring(ready), node.osImage, tostring(ok), err, tostring(may), why}, "|"))`))
	got := run(t, p, hooks.Call{Name: "drain", Script: script, Verbs: []string{"cordon", "drain", "nodeReady", "uncordon"}}, c)
	want := "2|a|false|Ubuntu 24.04|false|test.lua:6: node is gone|false|test.lua:7: kube.labels is not allowed: add labels to spec.allow.kubernetes of hook drain"
	if got.Message != strings.ReplaceAll(want, "test.lua:6: ", "") && got.Message != want {
		t.Errorf("got  %s\nwant %s", got.Message, want)
	}
	if asked := fmt.Sprint(c.asked); asked != "[cordonmap[] drainmap[gracePeriodSeconds:30] nodeReadymap[] uncordonmap[]]" {
		t.Errorf("the cluster was asked %s", asked)
	}
	if len(got.Verbs) != 5 || got.Verbs[0].Failed || !got.Verbs[3].Failed || !strings.Contains(got.Verbs[4].Result, hooks.ReasonNotAllowed) {
		t.Errorf("the record: %+v", got.Verbs)
	}
}

// stuck is a host that does not hear that time is up, or that breaks.
type stuck struct{ until chan struct{} }

func (s stuck) Kubernetes(context.Context, string, map[string]any) (any, error) {
	if s.until == nil {
		panic("broken")
	}
	<-s.until
	return nil, nil
}

func TestAHostThatIsStuckOrBreaks(t *testing.T) {
	p := pool(t, hooks.Options{Workers: 1})
	s := stuck{make(chan struct{})}
	defer close(s.until)
	call := hooks.Call{Name: "stuck", Script: compile(t, body("kube.cordon() return ctx.done()")), Verbs: []string{"cordon"}, Deadline: 200 * time.Millisecond}
	if got := run(t, p, call, s); got.Reason != hooks.ReasonDeadline {
		t.Errorf("stuck: %+v", got)
	}
	call.Deadline = 0
	if got := run(t, p, call, stuck{}); got.Reason != hooks.ReasonScriptError || !strings.Contains(got.Message, "broken") {
		t.Errorf("broken: %+v", got)
	}
}

// TestDeadlineNamesTheLine where the script was.
func TestDeadlineNamesTheLine(t *testing.T) {
	p := pool(t, hooks.Options{Workers: 1})
	got := run(t, p, hooks.Call{Name: "loop", Script: compile(t, body("local n = 0\nwhile true do\nn = n + 1\nend")), Deadline: 200 * time.Millisecond}, nil)
	if got.Reason != hooks.ReasonDeadline || !strings.Contains(got.Message, "still running after 200ms") || !strings.HasPrefix(got.Message, "test.lua:") {
		t.Errorf("got %+v", got)
	}
}

// TestWhatWasLoggedBeforeTheEndIsKept, however it ended.
func TestWhatWasLoggedBeforeTheEndIsKept(t *testing.T) {
	p := pool(t, hooks.Options{Workers: 1})
	got := run(t, p, hooks.Call{Name: "log", Deadline: 300 * time.Millisecond,
		Script: compile(t, body(`log.info("one", 2, nil, {} ~= nil); log.warn("w"); event.warning("Odd", "m"); string.find(string.rep("a", 40), string.rep("a?", 40) .. string.rep("a", 40))`))}, nil)
	if got.Reason != hooks.ReasonDeadline || fmt.Sprint(got.Log) != "[one 2 nil true warning: w]" || len(got.Events) != 1 || got.Events[0] != (hooks.Event{Warning: true, Reason: "Odd", Message: "m"}) {
		t.Errorf("got %+v", got)
	}
}

// TestAWorkerThatIsNone: a program that is no worker, or says what it may not, costs the run and nothing else.
func TestAWorkerThatIsNone(t *testing.T) {
	for name, text := range map[string]string{
		"ends at once": "exit 3", "says nothing sensible": "printf 'hello, world' >&3; cat >/dev/null", "a frame without end": `printf '\377\377\377\377x' >&3; cat >/dev/null`,
		"an end that is none": `printf '\000\000\000\002x{}' >&3; cat >/dev/null`, "another kind": `printf '\000\000\000\002?{}' >&3; cat >/dev/null`,
		"asks without end": `while printf '\000\000\000\002k{}' >&3; do :; done`, "logs without end": `while printf '\000\000\000\002l{}' >&3; do :; done`,
	} {
		t.Run(name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "worker")
			if err := os.WriteFile(program, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			p := pool(t, hooks.Options{Workers: 1, Executable: program})
			got := run(t, p, hooks.Call{Name: "none", Script: compile(t, body("return ctx.done()"))}, nil)
			if got.Outcome != hooks.Errored || got.Reason != hooks.ReasonWorkerFailure || len(got.Message) > 8<<10 {
				t.Errorf("got %+v", got)
			}
		})
	}
}
