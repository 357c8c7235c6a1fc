package hooks_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stargate.io/stargate/policies/hooks"
)

// hostileDeadline is that of the runs that are to meet it, and ownDeadline of those that are to meet another bound
// before: on a machine that is busy it takes them a while. Each ends within twice its deadline.
const (
	hostileDeadline = 2 * time.Second
	ownDeadline     = 60 * time.Second
)

// hostileOptions: rebind.example leads out when it is asked first and then in, steady.example always out.
func hostileOptions() hooks.Options {
	var asked atomic.Int64
	return hooks.Options{
		Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			if host == "rebind.example" && asked.Add(1) > 1 {
				return []netip.Addr{netip.MustParseAddr("169.254.169.254")}, nil
			}
			return []netip.Addr{netip.MustParseAddr("93.184.216.34")}, nil
		},
		Connect: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network in tests") },
	}
}

// hostile is a script of the corpus: its first line says the reasons that it may end with.
type hostile struct {
	name    string
	script  *hooks.Script
	reasons []string
}

func corpus(t *testing.T) []hostile {
	t.Helper()
	paths, err := filepath.Glob("testdata/hostile/*.lua")
	if err != nil || len(paths) < 60 {
		t.Fatalf("%d hostile scripts: %v", len(paths), err)
	}
	var all []hostile
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(strings.TrimPrefix(string(text), "-- "), "\n")
		script, problems := hooks.Compile(filepath.Base(path), string(text))
		if len(problems) > 0 {
			t.Fatalf("%s: %v", path, problems)
		}
		all = append(all, hostile{filepath.Base(path), script, strings.Split(first, " or ")})
	}
	return all
}

// TestHostileScripts runs the corpus and, all the while, a hook that behaves: each hostile script ends in its bounded
// time with its own reason, the other never fails, and this process stays as it was.
func TestHostileScripts(t *testing.T) {
	options := hostileOptions()
	options.Workers, options.MemoryBytes = 6, 128<<20
	p := pool(t, options)
	before := footprint(t)
	var peak atomic.Uint64
	stop := make(chan struct{})
	var good sync.WaitGroup
	var ran atomic.Int64
	behaved := compile(t, body(`ctx.state.n = (ctx.state.n or 0) + 1; log.info(json.encode(ctx.server)); return ctx.wait("5s", "well")`))
	good.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			got, err := p.Run(t.Context(), hooks.Call{Name: "good", Script: behaved, Deadline: ownDeadline, Context: map[string]any{"server": map[string]any{"name": "a"}}}, nil)
			if err != nil || got.Outcome != hooks.Wait || string(got.State) != `{"n":1}` {
				t.Errorf("the hook that behaves: %+v, %v", got, err)
			}
			ran.Add(1)
			peak.Store(max(peak.Load(), resident(t)))
		}
	})
	var line sync.WaitGroup
	limit := make(chan struct{}, 4)
	for _, h := range corpus(t) {
		limit <- struct{}{}
		line.Go(func() {
			defer func() { <-limit }()
			h.run(t, p)
		})
	}
	line.Wait()
	close(stop)
	good.Wait()
	t.Logf("the hook that behaves ran %d times; resident: %d MB before, %d MB at most", ran.Load(), before>>20, peak.Load()>>20)
	if grown := int64(peak.Load()) - int64(before); grown > 128<<20 {
		t.Errorf("this process grew by %d MB", grown>>20)
	}
	if ran.Load() < 10 {
		t.Errorf("the hook that behaves ran %d times only", ran.Load())
	}
}

func (h hostile) run(t *testing.T, p *hooks.Pool) {
	deadline := ownDeadline
	if slices.Contains(h.reasons, hooks.ReasonDeadline) {
		deadline = hostileDeadline
	}
	got, err := p.Run(t.Context(), hooks.Call{Name: h.name, Script: h.script, Deadline: deadline, Key: "k",
		Context: map[string]any{"server": map[string]any{"name": "server-001"}},
		Hosts:   []string{"allowed.example", "rebind.example", "steady.example"}}, &cluster{})
	if err != nil {
		t.Errorf("%s: %v", h.name, err)
		return
	}
	if got.Outcome != hooks.Errored || !slices.Contains(h.reasons, got.Reason) {
		t.Errorf("%s: got %s %s: %.300s\nexpected %s", h.name, got.Outcome, got.Reason, got.Message, strings.Join(h.reasons, " or "))
	}
	if got.Took > 2*deadline {
		t.Errorf("%s: took %s of %s", h.name, got.Took, deadline)
	}
	if len(got.Message) > 16<<10 || len(got.Log) > 200 || len(got.Events) > 16 || len(got.State) > 16<<10 {
		t.Errorf("%s: what is kept of it is not bounded: message %d, log %d, events %d", h.name, len(got.Message), len(got.Log), len(got.Events))
	}
	for _, verb := range got.Verbs {
		if !verb.Failed {
			t.Errorf("%s: got through: %+v", h.name, verb)
		}
	}
}

// footprint is the memory of this process after a collection.
func footprint(t *testing.T) uint64 {
	t.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	return resident(t)
}

func resident(t testing.TB) uint64 { return status(t, "self", "VmRSS") << 10 }

// status reads a number of /proc/PID/status.
func status(t testing.TB, pid, name string) uint64 {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseUint(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("/proc/%s/status has no %s", pid, name)
	return 0
}

// TestNothingIsLeft: after hostile runs there are no children, descriptors or goroutines more than before.
func TestNothingIsLeft(t *testing.T) {
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	warm := hooks.NewPool(hooks.Options{}) // what the runtime opens for the first child stays open
	run(t, warm, hooks.Call{Name: "warm", Script: compile(t, body("return ctx.done()"))}, nil)
	warm.Close()
	before := descriptors()
	p := hooks.NewPool(hooks.Options{Workers: 4})
	for _, text := range []string{"while true do end", `return string.find(string.rep("a", 40), string.rep("a?", 40) .. string.rep("a", 40))`, "local t = {} while true do t[#t + 1] = {} end", "return ctx.done()"} {
		run(t, p, hooks.Call{Name: text, Script: compile(t, body(text)), Deadline: 500 * time.Millisecond}, nil)
	}
	p.Close()
	if after := descriptors(); after != before {
		t.Errorf("descriptors: %d before, %d after", before, after)
	}
	if left := children(t); len(left) > 0 {
		t.Errorf("children are left: %v", left)
	}
	if _, err := p.Run(t.Context(), hooks.Call{Script: compile(t, body("return ctx.done()"))}, nil); !errors.Is(err, hooks.ErrClosed) {
		t.Errorf("a closed pool: %v", err)
	}
}

// children of this process, zombies too.
func children(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue // it ended meanwhile
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); len(fields) > 1 && fields[1] == fmt.Sprint(os.Getpid()) {
			found = append(found, string(text))
		}
	}
	return found
}
