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
	// DryRun: it is only told what it would hold or deny.
	DryRun() bool
	Evaluate(*rules.Facts, rules.Fleet) rules.Result
	// Foresee fills in what would release a finding.
	Foresee(*rules.Facts, rules.Fleet, rules.Finding) rules.Finding
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
	l.policies, l.counters, l.hashed = policies, counters, hashed{}
	for _, c := range fresh {
		l.count(c)
	}
	var waiting []*entry
	for _, e := range l.entries {
		if e.waits() && e.Facts != nil {
			waiting = append(waiting, e)
		}
	}
	slices.SortFunc(waiting, inLine)
	for _, e := range waiting {
		e.revised = true
		l.later(e)
	}
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

// later puts an Operation on the list of those who are looked at by and by.
func (l *Ledger) later(e *entry) {
	if !e.later {
		e.later = true
		l.slow = append(l.slow, e)
	}
}

// few are looked at with each change, of those who are looked at by and by.
const few = 32

// turn puts so many of them on the list of whom to look at now.
func (l *Ledger) turn(many int) {
	for ; len(l.slow) > 0 && many > 0; many-- {
		e := l.slow[0]
		l.slow = l.slow[1:]
		e.later = false
		if l.entries[e.UID] == e && e.waits() {
			l.again = append(l.again, e)
		}
	}
	if len(l.slow) == 0 {
		l.slow = nil
	}
}

// Sweep looks at so many of those who are looked at by and by: who waits since before the policies
// changed, and who waits for a rule that asks several things, of which one has changed. It tells who is to
// be woken; more says that there are others left, for which it is to be called again.
func (l *Ledger) Sweep(many int, now time.Time) (woken []Key, more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(many)
	return l.seat(now), len(l.slow) > 0
}

// Behind tells whether there is anybody to be looked at by Sweep.
func (l *Ledger) Behind() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.slow) > 0
}

// Waiting lists who waits and is judged by policies.
func (l *Ledger) Waiting() []Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	var keys []Key
	for _, e := range l.entries {
		if e.waits() && e.Facts != nil {
			keys = append(keys, e.Key)
		}
	}
	return keys
}
