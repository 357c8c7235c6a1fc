package fault

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/test/hookjudge"
	"stargate.io/stargate/test/proxy"
)

// hookedRoom is a room whose repaves have hooks on either side, which ask a judge through a proxy.
type hookedRoom struct {
	*room
	judge *hookjudge.Judge
	// asks is the proxy before the judge.
	asks  *proxy.Proxy
	hooks []*v1alpha1.Hook
}

// runsOf each hook, in their order, where nothing goes wrong: one that waits once, one that does not, and one after
// the job that waits once.
var runsOf = []int{2, 1, 2}

func newHookedRoom(t *testing.T) *hookedRoom {
	t.Helper()
	r := &hookedRoom{room: newRoom(t, site.Config{Duration: 200 * time.Millisecond}, nil), judge: hookjudge.New(t)}
	var err error
	if r.asks, err = proxy.Site(r.judge.URL); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.endControllers()
		r.asks.Close()
	})
	for i, name := range []string{"drain", "announce", "verify"} {
		when := v1alpha1.HookBefore
		if name == "verify" {
			when = v1alpha1.HookAfter
		}
		address := strings.TrimPrefix(r.asks.URL(), "http://")
		hook := &v1alpha1.Hook{ObjectMeta: metav1.ObjectMeta{Name: name + "." + r.namespace}, Spec: v1alpha1.HookSpec{
			When: when, Order: int32(i), Script: strings.ReplaceAll(r.judge.Script(), r.judge.URL, r.asks.URL()), Retries: 10,
			Timeout: &metav1.Duration{Duration: *patience}, Allow: v1alpha1.HookAllow{Hosts: []string{address}},
			Match: v1alpha1.Match{Namespaces: []string{r.namespace}, Operations: []v1alpha1.Action{v1alpha1.ActionRepave}}}}
		r.create(hook)
		r.hooks = append(r.hooks, hook)
		t.Cleanup(func() { _ = r.live.Delete(context.Background(), hook) })
	}
	r.judge.Answer(r.answer)
	return r
}

// answer is what hooks are told. At that moment the API server is asked whether the run should be: one whose end
// is written must never be run again, none before those ahead of it have their end, and what it kept must be what was
// written down at its last wait.
func (r *hookedRoom) answer(asked hookjudge.Asked) hookjudge.Says {
	op := &v1alpha1.Operation{}
	if err := r.live.Get(context.Background(), types.NamespacedName{Namespace: r.namespace, Name: asked.Operation}, op); err != nil {
		r.Errorf("hook %s ran for Operation %s: %v", asked.Hook, asked.Operation, err)
		return hookjudge.Says{Outcome: "done"}
	}
	if asked.Key != string(op.UID)+"/"+asked.Hook {
		r.Errorf("hook %s ran with key %s for Operation %s", asked.Hook, asked.Key, op.UID)
	}
	if asked.When == string(v1alpha1.HookAfter) && op.Status.JobEnd == nil {
		r.Errorf("hook %s ran after a job whose end is not written", asked.Hook)
	}
	for i := range op.Status.Hooks {
		run := &op.Status.Hooks[i]
		if run.Name == asked.Hook {
			r.judgeRun(run, asked)
			break
		}
		if run.When == v1alpha1.HookWhen(asked.When) && !run.Finished() {
			r.Errorf("hook %s ran before hook %s had its end", asked.Hook, run.Name)
		}
	}
	if asked.Hook != r.hooks[1].Name && asked.Count == 0 {
		return hookjudge.Says{Outcome: "wait", After: "1s", Message: "not yet"}
	}
	return hookjudge.Says{Outcome: "done"}
}

func (r *hookedRoom) judgeRun(run *v1alpha1.HookRun, asked hookjudge.Asked) {
	if run.Finished() {
		r.Errorf("hook %s ran again after its end was written: %s", run.Name, run.Result)
		return
	}
	var kept struct {
		Count int `json:"count"`
	}
	if run.State != "" {
		if err := json.Unmarshal([]byte(run.State), &kept); err != nil {
			r.Errorf("hook %s keeps %q: %v", run.Name, run.State, err)
		}
	}
	if kept.Count != asked.Count {
		r.Errorf("hook %s ran with a state of %d waits, and %d are written", run.Name, asked.Count, kept.Count)
	}
}

// playHooks lets a repave go its way, and judges how often each hook ran; spare is how many runs more than without
// faults there may be.
func (r *hookedRoom) playHooks(arm func(), spare int) {
	r.Helper()
	op := operation(r.namespace, "hooked", 1, v1alpha1.ActionRepave)
	r.create(server(r.namespace, 1), op)
	if arm != nil {
		arm()
	}
	r.startHooked()
	r.until("the end", func() bool { return r.phase(op) == v1alpha1.OperationSucceeded && r.settled(op) })
	r.asks.Use(nil)
	r.judgeHooks(op, spare)
	r.aftermath(op)
}

func (r *hookedRoom) startHooked() {
	r.startWith(childOptions{Namespaces: []string{r.namespace}, HookDeadline: time.Second})
}

func (r *hookedRoom) judgeHooks(op *v1alpha1.Operation, spare int) {
	r.Helper()
	now := &v1alpha1.Operation{}
	if err := r.live.Get(context.Background(), client.ObjectKeyFromObject(op), now); err != nil {
		r.Fatal(err)
	}
	if len(now.Status.Hooks) != len(r.hooks) {
		r.Errorf("the record has %d hooks: %+v", len(now.Status.Hooks), now.Status.Hooks)
		return
	}
	extra, failed := 0, 0
	for i := range now.Status.Hooks {
		run := &now.Status.Hooks[i]
		asked := len(r.judge.Runs(string(op.UID), run.Name))
		if run.Result != v1alpha1.HookDone || asked < runsOf[i] || run.Name != r.hooks[i].Name {
			r.Errorf("hook %s was asked %d times: %+v", run.Name, asked, run)
		}
		extra += asked - runsOf[i]
		failed += int(run.Errors) // a machine so busy that a run met its deadline
	}
	if extra > spare+failed {
		r.Errorf("the hooks ran %d times more than they should, %d of them over a deadline", extra, failed)
	}
}

// hookPoint is a moment at which the controller is killed: around a write, or around a run of a hook.
type hookPoint struct {
	point
	// run: the call is one of a hook to whom it asks.
	run bool
}

func (p hookPoint) String() string {
	if p.run {
		return strings.Replace(p.point.String(), "site", "hook", 1)
	}
	return p.point.String()
}

// TestHooksOverKills kills the controller before and after every write, and before and after every run of a hook: after
// a run, its result is known to nobody but the script. A hook whose end is written never runs again; any other runs once
// more at most, with the same key and what it had kept.
func TestHooksOverKills(t *testing.T) {
	points := countHooks(t)
	came := new(atomic.Int32)
	t.Cleanup(func() { t.Logf("killed at %d of %d points", came.Load(), len(points)) })
	for _, at := range points {
		t.Run(at.String(), func(t *testing.T) {
			t.Parallel()
			r := newHookedRoom(t)
			through := r.api
			if at.run {
				through = r.asks
			}
			r.playHooks(func() {
				through.Use(proxy.AtLike(at.kind, at.k, at.around(func() {
					came.Add(1)
					r.killLast()
					r.startHooked()
				})))
			}, 1)
		})
	}
}

// countHooks plays the hooks without faults, and gives a point before and after each write and each run.
func countHooks(t *testing.T) []hookPoint {
	t.Helper()
	r := newHookedRoom(t)
	writes, asks := map[string]int{}, map[string]int{}
	r.playHooks(func() {
		r.api.Use(func(call proxy.Call) proxy.Action {
			if call.Write && call.Namespace != "" { // Hooks are everybody's, and what is written of them is not the room's
				writes[call.String()]++
			}
			return proxy.Action{}
		})
		r.asks.Use(func(call proxy.Call) proxy.Action {
			asks[call.String()]++
			return proxy.Action{}
		})
	}, 0)
	t.Logf("a hooked repave takes %v at the API server, and its hooks ask %v", writes, asks)
	var points []hookPoint
	add := func(kinds map[string]int, run bool) {
		for kind, n := range kinds {
			for k := range n {
				points = append(points, hookPoint{point{site: run, kind: kind, k: k + 1}, run}, hookPoint{point{site: run, kind: kind, k: k + 1, after: true}, run})
			}
		}
	}
	add(writes, false)
	add(asks, true)
	if len(points) < 30 {
		t.Errorf("only %d points to kill at: the proxies do not see what the hooks do", len(points))
	}
	return points
}

// TestHooksOfTwoControllers that overlap by mistake: no hook runs in both.
func TestHooksOfTwoControllers(t *testing.T) {
	r := newHookedRoom(t)
	var ops []*v1alpha1.Operation
	for n := range 6 {
		op := operation(r.namespace, fmt.Sprintf("hooked-%d", n), n+1, v1alpha1.ActionRepave)
		r.create(server(r.namespace, n+1), op)
		ops = append(ops, op)
	}
	for range 2 {
		r.startWith(childOptions{Namespaces: []string{r.namespace}, HookDeadline: time.Minute})
	}
	r.until("all end", func() bool {
		for _, op := range ops {
			if r.phase(op) != v1alpha1.OperationSucceeded || !r.settled(op) {
				return false
			}
		}
		return true
	})
	for _, op := range ops {
		r.judgeHooks(op, 0)
		r.room.judge(op)
	}
}
