package rollout

import (
	"slices"

	"stargate.io/stargate/api/v1alpha1"
)

// take takes servers of the wave that is under way, as many as the guard and the budget let pass. What
// stands in the way of the first one that is not taken is said.
func (p *plan) take() {
	if p.current < 0 || len(p.stays) > 0 || p.stopped() || p.fullLeft() {
		return
	}
	left := p.unguarded()
	var waits *member
	for _, i := range p.candidates() {
		m := &p.members[i]
		switch {
		case left > p.kept(m) && p.budget.ask(m) == fits:
			p.takeOne(m)
			left--
		case waits == nil:
			waits = m
		}
		if waits != nil && (left <= 0 || p.budget.full()) {
			break
		}
	}
	p.holdTaking(left, waits)
}

// holdTaking says what keeps the first one that was not taken; nil for none. The budget is asked again
// now that all are taken, so that the next decision says the same.
func (p *plan) holdTaking(left int, waits *member) {
	switch {
	case waits == nil:
	case left <= p.kept(waits):
		p.holdGuard(waits)
	default:
		p.holdBudget(p.budget.ask(waits), waits)
	}
}

// candidates of the wave that is under way, in the order in which they are taken.
func (p *plan) candidates() []int32 {
	found := make([]int32, 0, p.waves[p.current].behind)
	for _, i := range p.order() {
		if m := &p.members[i]; m.class == classBehind && int(m.wave) == p.current {
			found = append(found, i)
		}
	}
	if p.rollout().Order == v1alpha1.OrderOldestFirst {
		slices.SortStableFunc(found, func(a, b int32) int { return oldest(p.members[a].server, p.members[b].server) })
	}
	return found
}

// takeOne writes a server into the status. Its Operation is made after that.
func (p *plan) takeOne(m *member) {
	r := p.revision()
	r.Made++
	p.budget.take(m)
	p.next.InFlight = append(p.next.InFlight, v1alpha1.InFlightServer{
		Server: m.server.Name, UID: string(m.server.UID), Operation: p.operationName(m.server),
		Revision: r.Number, ProfileHash: r.ProfileHash, LastOperation: lastOperation(m.server), Since: p.now,
	})
	m.class, m.slot = classActive, int32(len(p.next.InFlight)-1) //nolint:gosec // at most listLimit
	w := &p.waves[m.wave]
	w.behind--
	w.status.Active++
	if w.status.StartedAt == nil {
		w.status.StartedAt = p.now.DeepCopy()
		p.tell(false, v1alpha1.ReasonWaveStarted, "wave "+w.status.Name+" of revision "+r.Name+" starts")
	}
}

// fullLeft tells whether the list of servers that are left could not take those in flight as well:
// what fell out of it would be tried again and again.
func (p *plan) fullLeft() bool {
	return len(p.next.Left)+len(p.next.InFlight) >= listLimit && len(p.next.Left) > 0
}
