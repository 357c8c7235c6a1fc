package sim

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/engine/operation"
)

// process is one controller process: its caches, its queue, and what it alone knows.
type process struct {
	world *world
	name  string
	slot  int
	dead  bool
	// busy: a pass of it is under way.
	busy bool

	caches     map[kind]*cache
	queue      map[item]time.Duration
	failures   map[item]int
	rebuilt    bool
	ledger     *ledger.Ledger
	calls      map[types.UID]*callRecord
	hooks      map[types.UID]*hookRecord
	known      map[string]seen
	operations *newest[*v1alpha1.Operation]
	servers    *newest[*v1alpha1.Server]
	// rendered last: rendering is a quarter of the time of a history, and mostly of the same.
	rendered struct {
		profile  *v1alpha1.ProvisioningProfile
		server   *v1alpha1.Server
		resolved *operation.Profile
	}
	// dieAt is how many more writes and calls it lives; negative for ever.
	dieAt int
	// writeFault is what the next write meets.
	writeFault string
}

// item of the queue: an Operation, or a Server.
type item struct {
	kind kind
	name string
}

// seen is what a process knows of an Operation that it has looked at.
type seen struct {
	uid    types.UID
	server types.UID
	// counted: it was counted, and the cache has not shown it yet.
	counted bool
}

// crashed is thrown to leave a pass whose process has died.
type crashed struct{}

// startProcess starts the n-th process of a slot, with nothing but what was written.
func (w *world) startProcess(slot, life int) {
	p := &process{world: w, name: fmt.Sprintf("controller-%d.%d", slot, life), slot: slot,
		queue: map[item]time.Duration{}, failures: map[item]int{}, ledger: ledger.New(),
		calls: map[types.UID]*callRecord{}, hooks: map[types.UID]*hookRecord{}, known: map[string]seen{}, dieAt: -1,
		operations: newNewest[*v1alpha1.Operation](), servers: newNewest[*v1alpha1.Server](), caches: map[kind]*cache{}}
	w.processes[slot] = p
	w.note(p.name, "starts")
	// Watches of different kinds are opened one after the other: what they show first differs in age.
	for _, k := range kinds {
		p.caches[k] = newCache(p, k)
	}
}

// die ends the process. Requests that have left are not called back.
func (p *process) die(why string) {
	if p.dead {
		return
	}
	p.dead = true
	w, life := p.world, 0
	w.fault("%s dies %s", p.name, why)
	_, _ = fmt.Sscanf(p.name, "controller-%d.%d", new(int), &life)
	w.after(w.between(0, 20*time.Second), func() { w.startProcess(p.slot, life+1) })
}

// risk is before and after each write and call: the process may die here, or others act.
func (p *process) risk(what string) {
	if p.dieAt == 0 {
		p.dieAt = -1
		p.die(what)
	}
	if p.dieAt > 0 {
		p.dieAt--
	}
	p.world.interlude()
	if p.dead {
		panic(crashed{})
	}
}

// enqueue makes a process look at something after a delay, or sooner where that was planned already.
func (p *process) enqueue(it item, delay time.Duration) {
	if p.dead {
		return
	}
	w := p.world
	due := w.now + delay + w.between(0, time.Millisecond)
	if planned, ok := p.queue[it]; ok && planned <= due {
		return
	}
	p.queue[it] = due
	w.after(due-w.now, func() { p.take(it, due) })
}

// take works one item off, unless it was planned anew.
func (p *process) take(it item, due time.Duration) {
	if p.dead || p.queue[it] != due {
		return
	}
	if p.busy {
		delete(p.queue, it)
		p.enqueue(it, time.Millisecond)
		return
	}
	delete(p.queue, it)
	p.busy = true
	defer func() {
		p.busy = false
		if thrown := recover(); thrown != nil {
			if _, ok := thrown.(crashed); !ok {
				panic(thrown)
			}
		}
	}()
	again, err := p.reconcile(it)
	if err != nil {
		p.failures[it]++
		p.world.note(p.name, "failed on %s %s: %v", it.kind, it.name, err)
		again = min(5*time.Millisecond<<min(p.failures[it], 16), 30*time.Second)
	} else {
		delete(p.failures, it)
	}
	if again > 0 {
		p.enqueue(it, again)
	}
}

func (p *process) reconcile(it item) (time.Duration, error) {
	if it.kind == servers {
		return p.reconcileServer(it.name)
	}
	return p.reconcileOperation(it.name)
}

// changed is what a watch told.
func (p *process) changed(k kind, before, after client.Object) {
	moved := before == nil || before.GetGeneration() != after.GetGeneration()
	switch {
	case k == operations:
		p.enqueue(item{operations, after.GetName()}, 0)
	case k == servers:
		p.enqueue(item{servers, after.GetName()}, 0)
		if moved {
			p.enqueueAll(servers)
		}
		p.enqueueWhere(func(op *v1alpha1.Operation) bool { return op.Spec.ServerRef.Name == after.GetName() })
		if owner := after.(*v1alpha1.Server).Status.ActiveOperation; owner != nil {
			p.enqueue(item{operations, owner.Name}, 0)
		}
	case k == profiles && moved:
		p.enqueueWhere(func(op *v1alpha1.Operation) bool {
			return op.Spec.ProvisioningProfileRef != nil && op.Spec.ProvisioningProfileRef.Name == after.GetName()
		})
	case k == datacenters && moved:
		p.enqueueWhere(func(*v1alpha1.Operation) bool { return true })
	}
}

// deleted is what a watch told of an object that is gone.
func (p *process) deleted(k kind, last client.Object) {
	switch k {
	case operations:
		p.enqueue(item{operations, last.GetName()}, 0)
		p.enqueue(item{servers, last.(*v1alpha1.Operation).Spec.ServerRef.Name}, 0)
	case servers:
		p.enqueueAll(servers)
		p.enqueueWhere(func(op *v1alpha1.Operation) bool { return op.Spec.ServerRef.Name == last.GetName() })
	default:
		p.changed(k, nil, last)
	}
}

func (p *process) enqueueAll(k kind) {
	if p.caches[k] == nil {
		return
	}
	for _, name := range p.caches[k].names() {
		p.enqueue(item{k, name}, 0)
	}
}

// enqueueWhere looks at the live Operations that the cache shows.
func (p *process) enqueueWhere(matches func(*v1alpha1.Operation) bool) {
	c := p.caches[operations]
	if c == nil {
		return
	}
	for _, name := range c.names() {
		if op := c.get(name).(*v1alpha1.Operation); !op.Status.Phase.Terminal() && matches(op) {
			p.enqueue(item{operations, name}, 0)
		}
	}
}
