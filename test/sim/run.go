package sim

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
)

const (
	// stormy is how long the faults last; patienceLimit how long after them everything must have ended.
	stormy        = 15 * time.Minute
	patienceLimit = 24 * time.Hour
	// rest is how long nothing may happen, some time after everything has ended.
	rest = 2 * time.Hour
	// eventLimit bounds a history: one that does not come to rest is a finding, and must not spin.
	eventLimit = 400_000
)

// Run lives the history of a seed.
func Run(seed uint64, options Options) Result {
	w := newWorld(seed, options)
	w.furnish()
	w.storm(options.Faults*3/2, stormy)
	w.after(time.Minute, w.people.round)
	w.until(stormy, func() bool { return false })
	for w.result.Faults < options.Faults {
		w.storm(options.Faults/2, stormy/3)
		w.until(w.now+stormy/3, func() bool { return false })
	}
	w.calmDown()
	if !w.until(w.now+patienceLimit, w.settled) && w.result.Events >= eventLimit {
		w.broken("I5: no rest after %d events", eventLimit)
	}
	w.atRest()
	w.judge.verdict()
	w.result.Hash, w.result.Operations = w.hash.Sum64(), w.people.made
	return w.result
}

// storm plans faults for the time to come. Not each of them finds something to go wrong.
func (w *world) storm(planned int, lasts time.Duration) {
	for range planned {
		w.after(w.between(0, lasts), func() { faults[w.random.IntN(len(faults))](w) })
	}
}

// furnish makes what there is at the beginning, and plans what is ordered.
func (w *world) furnish() {
	h := w.people
	h.quarantined, h.doubts = map[string]time.Duration{}, map[types.UID]bool{}
	w.processes = make([]*process, 0, 2)
	version := w.random.IntN(3)
	for n, name := range []string{"dc-east", "dc-west"}[:1+w.random.IntN(2)] {
		first := (version+n)%2 == 1
		retry := first && w.chance(4)
		w.addSite(name, first, retry)
		dc := &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.DatacenterSpec{OnUnknownOutcome: v1alpha1.UnknownOutcomeHold,
			Limits: v1alpha1.DatacenterLimits{ConcurrentOperations: int32(w.random.IntN(3))}}}
		if retry {
			dc.Spec.OnUnknownOutcome = v1alpha1.UnknownOutcomeRetry
		}
		_ = w.api.create(datacenters, dc)
		for i := range 1 + w.random.IntN(3) {
			server := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("%s-%d", name, i)},
				Spec: v1alpha1.ServerSpec{MAC: fmt.Sprintf("aa:bb:cc:dd:%02x:%02x", n, i), DatacenterRef: &v1alpha1.LocalReference{Name: name}}}
			_ = w.api.create(servers, server)
		}
	}
	_ = w.api.create(profiles, &v1alpha1.ProvisioningProfile{ObjectMeta: metav1.ObjectMeta{Name: "os"}, Spec: v1alpha1.ProvisioningProfileSpec{OSVersion: "2.0.0"}})
	w.processes = append(w.processes, nil)
	if w.options.Processes == 2 || (w.options.Processes == 0 && w.chance(3)) {
		w.processes = append(w.processes, nil)
	}
	for slot := range w.processes {
		w.startProcess(slot, 1)
	}
	if w.options.Undisturbed {
		for n := range 5 {
			w.after(time.Duration(n+1)*time.Minute, h.order)
		}
		return
	}
	for range 2 + w.random.IntN(8) {
		w.after(w.between(0, stormy*3/4), h.order)
	}
}

// until lets events happen until a time, or until it is done; it tells which.
func (w *world) until(end time.Duration, done func() bool) bool {
	for w.result.Events < eventLimit {
		if w.result.Events%16 == 0 && done() {
			return true
		}
		if !w.step(end) {
			w.now = max(w.now, end)
			return done()
		}
	}
	return done()
}

// settled tells whether every Operation has ended and every Server is nobody's.
func (w *world) settled() bool {
	for _, object := range w.api.objects[operations] {
		if op := object.(*v1alpha1.Operation); !op.Status.Phase.Terminal() || op.DeletionTimestamp != nil {
			return false
		}
	}
	for _, object := range w.api.objects[servers] {
		if server := object.(*v1alpha1.Server); server.Status.ActiveOperation != nil || server.Status.Quarantine != nil || server.DeletionTimestamp != nil {
			return false
		}
	}
	return true
}

// atRest shows that nothing happens where there is nothing to do.
func (w *world) atRest() {
	// Times to live may lie hours ahead where the clock was set back.
	w.until(w.now+6*rest, func() bool { return false })
	writes, calls := w.result.Writes, w.countCalls()
	w.until(w.now+rest, func() bool { return false })
	if w.result.Writes != writes || w.countCalls() != calls {
		w.broken("at rest %d writes and %d calls were made", w.result.Writes-writes, w.countCalls()-calls)
	}
}

func (w *world) countCalls() (calls int) {
	for _, s := range w.sites {
		calls += s.calls
	}
	return calls
}

func ledgerKey(site string) ledger.Key { return ledger.Key(namespace + "/" + site) }
