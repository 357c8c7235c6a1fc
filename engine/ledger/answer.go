package ledger

import (
	"time"

	"stargate.io/stargate/policies/rules"
)

// view answers the questions of rules about one Operation: everything but itself and its server.
type view struct {
	ledger *Ledger
	entry  *entry
	now    time.Time
}

// Answer implements rules.Fleet.
func (v *view) Answer(q rules.Question) rules.Answer {
	c := v.ledger.counters[q.Dimension]
	if c == nil || !v.ledger.rebuilt {
		return rules.Answer{Unknown: true}
	}
	found := c.cells[q.Values]
	if found == nil {
		return rules.Answer{}
	}
	if q.Kind == rules.Failed {
		count, changes := found.within(q.Within, v.now)
		return rules.Answer{Count: count, Changes: changes}
	}
	return rules.Answer{Count: found.count - v.own(c, q.Values)}
}

// own is what the judged Operation and its server count for themselves.
func (v *view) own(c *counter, values string) int64 {
	e := v.entry
	if e == nil || e.machine == nil {
		return 0
	}
	counted := false
	switch c.dimension.Kind {
	case rules.Active:
		counted = e.reserved
	case rules.Unavailable:
		counted = e.machine.unavailable()
	case rules.Total, rules.Failed:
	}
	if counted && c.matches(&e.machine.Machine, e.Action, values) {
		return 1
	}
	return 0
}
