package forecast

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"stargate.io/stargate/engine/ledger"
)

// ending is when an Operation ends.
type ending struct {
	at  time.Time
	run *run
	// number keeps the order of those that end together.
	number int
}

// endings, the next first.
type endings struct {
	heap []ending
	made int
}

// Len implements heap.Interface.
func (e *endings) Len() int { return len(e.heap) }

// Less implements heap.Interface.
func (e *endings) Less(i, j int) bool {
	if order := e.heap[i].at.Compare(e.heap[j].at); order != 0 {
		return order < 0
	}
	return e.heap[i].number < e.heap[j].number
}

// Swap implements heap.Interface.
func (e *endings) Swap(i, j int) { e.heap[i], e.heap[j] = e.heap[j], e.heap[i] }

// Push implements heap.Interface.
func (e *endings) Push(x any) {
	if one, ok := x.(ending); ok {
		e.heap = append(e.heap, one)
	}
}

// Pop implements heap.Interface.
func (e *endings) Pop() any {
	last := e.heap[len(e.heap)-1]
	e.heap[len(e.heap)-1] = ending{}
	e.heap = e.heap[:len(e.heap)-1]
	return last
}

func (e *endings) push(one ending) {
	e.made++
	one.number = e.made
	heap.Push(e, one)
}

// next gives what ends next, by that time.
func (e *endings) next(by time.Time) *run {
	if len(e.heap) == 0 || e.heap[0].at.After(by) {
		return nil
	}
	if one, ok := heap.Pop(e).(ending); ok {
		return one.run
	}
	return nil
}

// told is how many Operations end between two words on the progress.
const told = 500

// roll the clock until nothing is left to happen.
func (w *world) roll() {
	horizon, decisions := w.in.Horizon, w.in.Decisions
	if horizon <= 0 {
		horizon = DefaultHorizon
	}
	if decisions <= 0 {
		decisions = DefaultDecisions
	}
	w.dirty = slices.Clone(w.lanes)
	for {
		w.decideAll()
		next, any := w.next()
		if !any || next.After(w.in.Now.Add(horizon)) {
			return
		}
		if w.decisions >= decisions {
			w.cut = true
			return
		}
		w.now = w.tick(next)
		w.happen()
	}
}

// happen lets be what is due by now.
func (w *world) happen() {
	for r := w.ends.next(w.now); r != nil; r = w.ends.next(w.now) {
		w.end(r)
		if w.in.Progress != nil && w.ended%told == 0 {
			w.in.Progress(w.ended)
		}
	}
	for r := w.asks.next(w.now); r != nil; r = w.asks.next(w.now) {
		w.askDue(r)
	}
	for _, l := range w.lanes {
		if !l.wake.IsZero() && !l.wake.After(w.now) {
			w.look(l)
		}
	}
}

// tick gives the end of the step that a time is in.
func (w *world) tick(at time.Time) time.Time {
	since := at.Sub(w.in.Now)
	if over := since % w.step; over > 0 {
		since += w.step - over
	}
	return w.in.Now.Add(since)
}

// next time at which something happens.
func (w *world) next() (time.Time, bool) {
	var next time.Time
	if len(w.ends.heap) > 0 {
		next = w.ends.heap[0].at
	}
	if len(w.asks.heap) > 0 && (next.IsZero() || w.asks.heap[0].at.Before(next)) {
		next = w.asks.heap[0].at
	}
	for _, l := range w.lanes {
		if !l.wake.IsZero() && (next.IsZero() || l.wake.Before(next)) {
			next = l.wake
		}
	}
	return next, !next.IsZero()
}

// look at a group again, in this step.
func (w *world) look(l *lane) {
	if !l.dirty {
		l.dirty = true
		w.dirty = append(w.dirty, l)
	}
}

// decideAll decides on each group of which something changed, in the order of their names.
func (w *world) decideAll() {
	for len(w.dirty) > 0 {
		round := w.dirty
		w.dirty = nil
		slices.SortFunc(round, func(a, b *lane) int { return cmp.Compare(a.number, b.number) })
		for _, l := range round {
			w.decide(l)
		}
	}
}

// wakeAt looks at a group again at that time; never where it is zero.
func (w *world) wakeAt(l *lane, at time.Time) {
	if !at.IsZero() && !at.After(w.now) {
		at = time.Time{}
	}
	l.wake = at
}

// change of how many servers are up.
type change struct {
	at   time.Time
	lane int32
	by   int32
}

// turn a machine up or down.
func (w *world) turn(m *machine) {
	up := ledger.Up(&m.server)
	if up == m.up {
		return
	}
	m.up = up
	if !m.touched {
		return
	}
	by := int32(-1)
	if up {
		by = 1
	}
	for _, l := range m.lanes {
		w.changes = append(w.changes, change{at: w.now, lane: int32(l.number), by: by}) //nolint:gosec // as many as there are groups
	}
}
