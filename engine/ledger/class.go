package ledger

import (
	"container/heap"
	"maps"
	"slices"
	"time"

	"stargate.io/stargate/policies/rules"
)

// class is a set of Operations that wait for one and the same thing.
type class struct {
	key     classKey
	waiting line
	// met tells whether what they wait for is there; nil where no event brings it.
	met func() bool
	// cell whose count they wait for, nil for none.
	cell *cell
	// queued: it is on the list of what to look at.
	queued bool
	// elsewhere are those whose status names this, and who wait under something else by now.
	elsewhere map[*entry]bool
}

// classKey tells classes apart.
type classKey struct {
	kind waitKind
	// Of waitCount: the rule, and the count that frees it.
	policy, rule string
	question     rules.Question
	threshold    int64
	rising       bool
	// own is what the waiting Operation counts for itself.
	own int64
	// at is when the clock frees it, in nanoseconds.
	at int64
}

type waitKind int8

const (
	// waitNothing: no count and no clock frees it; somebody must change something, which wakes it.
	waitNothing waitKind = iota
	waitServer
	waitSite
	// waitClock: nothing frees it before a time.
	waitClock
	// waitCount: one count decides, and must reach a number.
	waitCount
	// waitAny: several counts decide together.
	waitAny
)

// blocker is what an Operation is registered under: one of the things that hold it. As long as that
// one holds, nothing else needs to be asked.
type blocker struct {
	classKey
	site  *room
	reads []rules.Question
}

// enter puts an Operation among those who wait for a blocker.
func (l *Ledger) enter(e *entry, b blocker) {
	c := l.classOf(e, b)
	e.in = c
	c.waiting.add(e)
	for _, q := range b.reads {
		if counter := l.counters[q.Dimension]; counter != nil {
			cell := counter.cell(q.Values)
			cell.readers = append(cell.readers, e)
			e.reads = append(e.reads, cell)
		}
	}
}

func (l *Ledger) classOf(e *entry, b blocker) *class {
	switch b.kind {
	case waitServer:
		return e.machine.busy
	case waitSite:
		return b.site.full
	case waitClock, waitCount, waitNothing, waitAny:
	}
	var at *cell
	if b.kind == waitCount {
		at = l.counters[b.question.Dimension].cell(b.question.Values)
	}
	if c := l.classes[b.classKey]; c != nil && c.cell == at {
		return c
	}
	c := &class{key: b.classKey, cell: at}
	l.classes[b.classKey] = c
	switch b.kind {
	case waitCount:
		c.met = c.reached
		at.thresholds = append(at.thresholds, c)
	case waitClock:
		c.met = func() bool { return true } // it is triggered when its time has come
		heap.Push(&l.clocks, c)
	case waitNothing, waitServer, waitSite, waitAny:
	}
	return c
}

// reached tells whether the count is where it frees.
func (c *class) reached() bool {
	count := c.cell.count - c.key.own
	if c.key.rising {
		return count >= c.key.threshold
	}
	return count <= c.key.threshold
}

// leave takes an Operation out of where it waits.
func (l *Ledger) leave(e *entry) {
	if e.in == nil {
		return
	}
	c := e.in
	c.waiting.remove(e)
	e.in = nil
	for _, cell := range e.reads {
		if i := slices.Index(cell.readers, e); i >= 0 {
			cell.readers = slices.Delete(cell.readers, i, i+1)
		}
		cell.tidy()
	}
	e.reads = nil
	l.dissolve(c)
}

// say notes that an Operation's status names what it waits for now.
func (l *Ledger) say(e *entry) {
	l.unsay(e)
	e.said = e.in
}

// unsay notes that nothing is known of what an Operation's status names.
func (l *Ledger) unsay(e *entry) {
	if c := e.said; c != nil {
		e.said = nil
		delete(c.elsewhere, e)
		l.dissolve(c)
	}
}

// dissolve forgets a class that nobody is in, and that nobody's status names.
func (l *Ledger) dissolve(c *class) {
	if len(c.waiting)+len(c.elsewhere) > 0 || c.key.kind == waitServer || c.key.kind == waitSite {
		return
	}
	if l.classes[c.key] == c {
		delete(l.classes, c.key)
	}
	if c.cell != nil {
		if i := slices.Index(c.cell.thresholds, c); i >= 0 {
			c.cell.thresholds = slices.Delete(c.cell.thresholds, i, i+1)
		}
		c.cell.tidy()
	}
	if i := slices.Index(l.clocks, c); i >= 0 {
		heap.Remove(&l.clocks, i)
	}
}

// trigger puts a class on the list of what to look at.
func (l *Ledger) trigger(c *class) {
	if !c.queued && c.met != nil {
		c.queued = true
		l.triggered = append(l.triggered, c)
		l.looked = append(l.looked, c)
	}
}

// due triggers the classes whose time has come.
func (l *Ledger) due(now time.Time) {
	for len(l.clocks) > 0 && l.clocks[0].key.at <= now.UnixNano() {
		l.trigger(heap.Pop(&l.clocks).(*class))
	}
}

// seat gives what became free to whose turn it is, the first in line of all who wait for it first,
// and tells whom to wake: who has a place now, and who is held by something else than its status says.
func (l *Ledger) seat(now time.Time) []Key {
	var woken []Key
	l.due(now)
	l.turn(few)
	for e := l.next(); e != nil; e = l.next() {
		if l.try(e, now) {
			woken = append(woken, e.Key)
		}
	}
	return append(woken, l.outdated()...)
}

// outdated gives those whose status names what does not hold them any more, now that all is given away
// that was free. What was free for a moment only needs no word.
func (l *Ledger) outdated() []Key {
	var all []*entry
	for _, c := range l.looked {
		if len(c.elsewhere) > 0 && c.met != nil && c.met() {
			all = slices.AppendSeq(all, maps.Keys(c.elsewhere))
			clear(c.elsewhere) // it may have been looked at twice
		}
	}
	clear(l.looked)
	l.looked = l.looked[:0]
	slices.SortFunc(all, inLine)
	var keys []Key
	for _, e := range all {
		l.unsay(e)
		keys = append(keys, e.Key)
	}
	return keys
}

// next gives the first in line of all who are to be looked at.
func (l *Ledger) next() *entry {
	var best *entry
	kept := l.triggered[:0]
	for _, c := range l.triggered {
		e := c.waiting.first()
		if e == nil || !c.met() || e.tried == l.round {
			// Who was looked at already and is still here speaks for all of them.
			c.queued = false
			continue
		}
		kept = append(kept, c)
		if best == nil || e.ahead(best) {
			best = e
		}
	}
	clear(l.triggered[len(kept):])
	l.triggered = kept
	l.again = slices.DeleteFunc(l.again, func(e *entry) bool { return !e.waits() || e.tried == l.round })
	for _, e := range l.again {
		if best == nil || e.ahead(best) {
			best = e
		}
	}
	if best == nil {
		l.round++
	}
	return best
}

// try lets a waiting Operation have what it asked for if nothing holds it any more, and tells whether
// it is to be woken.
func (l *Ledger) try(e *entry, now time.Time) bool {
	e.tried = l.round
	j := l.judge(e, now, false)
	said := e.said
	if said != nil {
		// What its status names is kept in sight, though perhaps nobody waits for it any more.
		if said.elsewhere == nil {
			said.elsewhere = map[*entry]bool{}
		}
		said.elsewhere[e] = true
	}
	l.leave(e)
	if j.passes() {
		l.unsay(e)
		if !e.reserved {
			l.reserve(e)
			l.round++
		}
		return true
	}
	l.enter(e, j.wait)
	switch {
	case said == nil:
		return false // it is to ask again already
	case said == e.in:
		delete(said.elsewhere, e)
		e.revised = false
		return false
	case j.denied, e.revised, said.met == nil:
		l.unsay(e)
		e.revised = false
		return true
	}
	// Perhaps what its status names was free for this moment only.
	l.looked = append(l.looked, said)
	return false
}

// clocks is a heap of classes, the earliest first.
type clocks []*class

func (q clocks) Len() int           { return len(q) }
func (q clocks) Less(i, j int) bool { return q[i].key.at < q[j].key.at }
func (q clocks) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *clocks) Push(x any) { *q = append(*q, x.(*class)) }

// Pop implements heap.Interface.
func (q *clocks) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return c
}
