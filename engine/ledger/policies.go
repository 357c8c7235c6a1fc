package ledger

import (
	"slices"
	"time"

	"stargate.io/stargate/policies/rules"
)

// Policy as it is asked; a *rules.Policy is one. Safe for concurrent use.
type Policy interface {
	Name() string
	// Hash over what it decides by.
	Hash() string
	// Dimensions that its rules ask the fleet for.
	Dimensions() []rules.Dimension
	Evaluate(*rules.Facts, rules.Fleet) rules.Result
}

// SetPolicies replaces the policies, which are to be in the order of their names. What they ask for is
// counted from the servers that are known before anybody is judged by them. Who waits is judged anew by
// Sweep.
func (l *Ledger) SetPolicies(policies []Policy) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counters := map[rules.Dimension]*counter{}
	var fresh []*counter
	for _, policy := range policies {
		for _, dimension := range policy.Dimensions() {
			if counters[dimension] != nil {
				continue
			}
			if counters[dimension] = l.counters[dimension]; counters[dimension] == nil {
				counters[dimension] = newCounter(dimension)
				fresh = append(fresh, counters[dimension])
			}
		}
	}
	l.policies, l.counters = policies, counters
	for _, c := range fresh {
		l.count(c)
	}
	l.stale = l.stale[:0]
	for _, e := range l.entries {
		if e.waits() && e.Facts != nil {
			l.stale = append(l.stale, e)
		}
	}
	slices.SortFunc(l.stale, inLine)
}

// count a dimension from what is known.
func (l *Ledger) count(c *counter) {
	for _, m := range l.machines {
		for _, cell := range c.tally(m, nil) {
			cell.count++
		}
	}
	if c.dimension.Kind != rules.Failed {
		return
	}
	for _, f := range l.failures {
		c.cell(c.values(&f.server, f.action)).addEnd(f.at)
	}
}

// Sweep judges so many of those anew who wait since before the policies changed, the first in line
// first, and tells who is to be woken. more says that there are others left.
func (l *Ledger) Sweep(many int, now time.Time) (woken []Key, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for ; len(l.stale) > 0 && many > 0; many-- {
		e := l.stale[0]
		l.stale = l.stale[1:]
		if l.entries[e.UID] == e && e.waits() {
			l.again = append(l.again, e)
		}
	}
	return l.seat(now), len(l.stale) > 0
}
