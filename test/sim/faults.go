package sim

import (
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

// faults that are planned, drawn evenly. Each takes effect at once, or on what comes next.
var faults = []func(*world){
	crashSoon, crashSoon, crashSoon, crashNow,
	failWrite, failWrite, failWrite,
	failCall, failCall, failCall, failCall,
	freezeWatch, dropWatch, dropWatch,
	jobFate, jobFate,
	siteDown, siteDenies,
	setClock,
	somebody, somebody, somebody,
}

func (w *world) anyProcess() *process { return w.processes[w.random.IntN(len(w.processes))] }

func (w *world) anySite() *site {
	names := w.api.names(datacenters)
	return w.sites[names[w.random.IntN(len(names))]]
}

// crashSoon ends a process before or after one of its next writes and calls.
func crashSoon(w *world) {
	if p := w.anyProcess(); !p.dead {
		p.dieAt = w.random.IntN(12)
	}
}

func crashNow(w *world) { w.anyProcess().die("by itself") }

func failWrite(w *world) {
	w.anyProcess().writeFault = []string{"500", "conflict", "timeout", "timeout"}[w.random.IntN(4)]
}

func failCall(w *world) {
	s := w.anySite()
	met := []string{"refused", "lost request", "lost reply", "silence", "late", "late", "twice", "garbage", "rejected"}[w.random.IntN(9)]
	s.meets = append(s.meets, met)
}

func freezeWatch(w *world) {
	p, k := w.anyProcess(), kinds[w.random.IntN(len(kinds))]
	p.caches[k].frozen = w.now + w.between(time.Second, 2*time.Minute)
	w.fault("the watch of %s for %s hangs until %s", p.name, k, p.caches[k].frozen)
}

func dropWatch(w *world) {
	if p, k := w.anyProcess(), kinds[w.random.IntN(len(kinds))]; !p.dead {
		w.fault("the watch of %s for %s is dropped", p.name, k)
		p.caches[k].relist()
	}
}

func jobFate(w *world) {
	s := w.anySite()
	s.nextJob = append(s.nextJob, []string{"fails", "fails", "fails untouched", "hangs", "is stubborn"}[w.random.IntN(5)])
}

func siteDown(w *world) {
	s := w.anySite()
	s.down, s.hangs = w.now+w.between(time.Second, 3*time.Minute), w.chance(2)
	w.fault("%s is down until %s, hangs %v", s.name, s.down, s.hangs)
}

func siteDenies(w *world) {
	s := w.anySite()
	s.denies = w.now + w.between(time.Second, 3*time.Minute)
	w.fault("%s denies its jobs until %s", s.name, s.denies)
}

// setClock sets the wall clock by up to an hour, as somebody who corrects it does.
func setClock(w *world) {
	w.skew += w.between(-time.Hour, time.Hour)
	w.skewed = true
	w.fault("the clock is off by %s", w.skew)
}

// somebody does something that people do.
func somebody(w *world) {
	h := w.people
	deeds := []struct {
		name string
		do   func() bool
	}{
		{"cancels", h.cancel}, {"deletes", h.delete}, {"pauses or resumes", h.pause}, {"edits the profile", h.editProfile},
		{"replaces a server", h.replace}, {"edits a limit", h.editLimit}, {"forces a finalizer", h.force},
	}
	deed := deeds[w.random.IntN(len(deeds))]
	if deed.do() {
		w.fault("somebody %s", deed.name)
	}
}

// calmDown ends every fault: what is broken is mended, what was put off is resumed.
func (w *world) calmDown() {
	w.calm = true
	w.note("world", "the faults cease")
	for _, s := range w.sites {
		s.down, s.denies, s.meets, s.nextJob = 0, 0, nil, nil
	}
	for _, p := range w.processes {
		p.dieAt, p.writeFault = -1, ""
		for _, k := range kinds {
			p.caches[k].relist()
		}
	}
	for _, name := range w.api.names(datacenters) {
		w.people.edit(datacenters, name, func(o client.Object) { o.(*v1alpha1.Datacenter).Spec.Paused = false })
	}
	for _, name := range w.api.names(servers) {
		w.people.edit(servers, name, func(o client.Object) { o.(*v1alpha1.Server).Spec.Paused = false })
	}
}
