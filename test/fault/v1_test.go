package fault

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/test/proxy"
)

// doubt is a way in which the controller comes not to know whether a version 1 site has made a job.
type doubt struct {
	name string
	// landed: the site has made the job.
	landed bool
	action func(*room) proxy.Action
}

var doubts = []doubt{
	{"reply lost", true, func(*room) proxy.Action { return proxy.Action{Lose: true} }},
	{"request lost", false, func(*room) proxy.Action { return proxy.Action{Drop: true} }},
	{"killed before", false, func(r *room) proxy.Action { return proxy.Action{Before: r.crash, Drop: true} }},
	{"killed after", true, func(r *room) proxy.Action { return proxy.Action{After: r.crash, Lose: true} }},
}

var firstVersion = site.Config{API: site.V1, Duration: 200 * time.Millisecond}

// crash kills the controller that was started last, and starts another.
func (r *room) crash() {
	r.killLast()
	r.start()
}

// doubtful starts a repave at a version 1 site whose first POST meets a doubt.
func (r *room) doubtful(d doubt) *v1alpha1.Operation {
	r.Helper()
	op := operation(r.namespace, "repave", 1, v1alpha1.ActionRepave)
	r.create(server(r.namespace, 1), server(r.namespace, 2), op)
	r.dc.Use(proxy.AtLike("start", 1, d.action(r)))
	r.start()
	return op
}

// TestParked loses the reply of a version 1 site: nothing more is done before a person has spoken.
func TestParked(t *testing.T) {
	t.Parallel()
	for _, d := range doubts {
		for _, word := range []string{"it-ran", "it-did-not"} {
			t.Run(d.name+", "+word, func(t *testing.T) {
				t.Parallel()
				r := newRoom(t, firstVersion, func(dc *v1alpha1.Datacenter) { dc.Spec.Limits.ConcurrentOperations = 1 })
				op := r.doubtful(d)
				r.untilParked(op)
				r.crash()
				r.staysParked(op, d)
				r.resolve(op, word)
				r.afterResolve(op, d, word)
			})
		}
	}
}

func (r *room) untilParked(op *v1alpha1.Operation) {
	r.Helper()
	r.until("it is parked", func() bool {
		now := op.DeepCopy()
		if !r.see(now) {
			return false
		}
		dispatched := meta.FindStatusCondition(now.Status.Conditions, v1alpha1.ConditionDispatched)
		return dispatched != nil && dispatched.Status == metav1.ConditionUnknown && dispatched.Reason == v1alpha1.ReasonUnknown
	})
}

// staysParked shows, with Operations that want its server and its slot, that it keeps both over a
// restart, and that the site got nothing more.
func (r *room) staysParked(op *v1alpha1.Operation, d doubt) {
	r.Helper()
	for n, reason := range map[int]string{1: v1alpha1.ReasonServerBusy, 2: v1alpha1.ReasonLimitReached} {
		waiting := operation(r.namespace, "waiting-"+serverName(n), n, v1alpha1.ActionRepave)
		r.create(waiting)
		r.until("another is held: "+reason, func() bool {
			return r.see(waiting) && len(waiting.Status.Holds) > 0 && waiting.Status.Holds[0].Reason == reason
		})
	}
	r.untilParked(op)
	want := 0
	if d.landed {
		want = 1
	}
	if jobs := r.jobs(); len(jobs) != want {
		r.Errorf("the site has %d jobs, want %d", len(jobs), want)
	}
}

// resolve says what became of the open attempt, as `stargate resolve operation` does.
func (r *room) resolve(op *v1alpha1.Operation, word string) {
	r.Helper()
	now := op.DeepCopy()
	if err := r.live.Get(context.Background(), client.ObjectKeyFromObject(op), now); err != nil {
		r.Fatal(err)
	}
	err := r.patch(now, func() {
		metav1.SetMetaDataAnnotation(&now.ObjectMeta, v1alpha1.AnnotationResolve, now.Status.LastAttempt().RequestID+"="+word)
		metav1.SetMetaDataAnnotation(&now.ObjectMeta, v1alpha1.AnnotationResolveReason, "looked at the machine")
	})
	if err != nil {
		r.Fatal(err)
	}
}

// afterResolve waits for the end of everything, and counts what the site did.
func (r *room) afterResolve(op *v1alpha1.Operation, d doubt, word string) {
	r.Helper()
	for _, name := range []string{op.Name, "waiting-" + serverName(1), "waiting-" + serverName(2)} {
		each := op.DeepCopy()
		each.Name = name
		r.until(name+" succeeds", func() bool { return r.phase(each) == v1alpha1.OperationSucceeded })
	}
	r.until("the servers are free", func() bool { return r.settled(op) })
	want := 2 // of those that waited
	if d.landed {
		want++
	}
	attempts := 1
	if word == "it-did-not" {
		want++
		attempts++
	}
	if jobs := r.jobs(); len(jobs) != want {
		r.Errorf("the site has %d jobs, want %d", len(jobs), want)
	}
	now := op.DeepCopy()
	if r.see(now) && len(now.Status.Attempts) != attempts {
		r.Errorf("the Operation has attempts %+v, want %d", now.Status.Attempts, attempts)
	}
}

// TestParkedAndUnwanted cancels and deletes a parked Operation: the word is still a person's.
func TestParkedAndUnwanted(t *testing.T) {
	t.Parallel()
	for name, meddle := range map[string]func(*room, *v1alpha1.Operation) error{"cancel": cancelIt, "delete": deleteIt} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, firstVersion, nil)
			op := r.doubtful(doubts[1])
			r.untilParked(op)
			if err := meddle(r, op); err != nil {
				t.Fatal(err)
			}
			r.staysBusy(op)
			r.resolve(op, "it-did-not")
			r.until("the end", func() bool { return r.settled(op) })
			if jobs := r.jobs(); len(jobs) != 0 {
				t.Errorf("the site has %d jobs, want none", len(jobs))
			}
			r.judgeServer(op, nil)
		})
	}
}

// staysBusy shows that an Operation keeps its server over a restart.
func (r *room) staysBusy(op *v1alpha1.Operation) {
	r.Helper()
	r.crash()
	waiting := operation(r.namespace, "waiting", 1, v1alpha1.ActionReboot)
	r.create(waiting)
	r.until("another is held", func() bool {
		return r.see(waiting) && len(waiting.Status.Holds) > 0 && waiting.Status.Holds[0].Reason == v1alpha1.ReasonServerBusy
	})
	r.untilParked(op)
	if err := deleteIt(r, waiting); err != nil {
		r.Fatal(err)
	}
}

// TestRetryOnUnknown goes on by itself where somebody chose so.
func TestRetryOnUnknown(t *testing.T) {
	t.Parallel()
	for _, d := range doubts {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			r := newRoom(t, firstVersion, func(dc *v1alpha1.Datacenter) { dc.Spec.OnUnknownOutcome = v1alpha1.UnknownOutcomeRetry })
			r.twice = true
			var parked atomic.Bool
			op := r.doubtful(d)
			r.until("the end", func() bool {
				now := op.DeepCopy()
				parked.Store(parked.Load() || r.see(now) && meta.IsStatusConditionPresentAndEqual(now.Status.Conditions, v1alpha1.ConditionDispatched, metav1.ConditionUnknown))
				return r.phase(op) == v1alpha1.OperationSucceeded && r.settled(op)
			})
			want := 1
			if d.landed {
				want = 2
			}
			if jobs := r.jobs(); len(jobs) != want || parked.Load() {
				t.Errorf("the site has %d jobs, want %d; parked: %t", len(jobs), want, parked.Load())
			}
		})
	}
}
