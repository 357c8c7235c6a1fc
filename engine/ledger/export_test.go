package ledger

import (
	"time"

	"stargate.io/stargate/policies/rules"
)

// Rooms counts the servers and sites that are remembered.
func (l *Ledger) Rooms() (servers, sites int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.machines), len(l.sites)
}

// Leftovers counts the classes, cells and places on lists that are remembered.
func (l *Ledger) Leftovers() (classes, cells, listed int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.counters {
		cells += len(c.cells)
	}
	return len(l.classes) + len(l.clocks), cells, len(l.triggered) + len(l.again)
}

// Placed tells whether an Operation has a place.
func (l *Ledger) Placed(uid string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[uid]
	return e != nil && e.reserved
}

// Answer as for an Operation that is not known.
func (l *Ledger) Answer(q rules.Question, now time.Time) rules.Answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	return (&view{ledger: l, now: now}).Answer(q)
}

// ValuesOf a dimension's keys for a server and an action.
func ValuesOf(dimension rules.Dimension, m *Machine, action string) string {
	return newCounter(dimension).values(m, action)
}
