package rollout

import (
	"stargate.io/stargate/api/v1alpha1"
)

// budget is how many servers may be unavailable at a time, in all and of each value of the label that
// they are spread by; and how many are.
type budget struct {
	limit, unavailable int
	inFlight           int
	// spreadBy is empty where servers are not spread.
	spreadBy  string
	perSpread int
	spread    map[string]int
}

func (p *plan) newBudget() budget {
	r := p.rollout()
	b := budget{limit: MaxUnavailable(r.MaxUnavailable, len(p.members)), inFlight: len(p.next.InFlight), spreadBy: r.SpreadBy}
	if b.spreadBy != "" {
		b.perSpread, b.spread = max(int(r.MaxUnavailablePerSpread), 1), map[string]int{}
	}
	return b
}

// count an unavailable member.
func (b *budget) count(m *member) {
	b.unavailable++
	if b.spreadBy != "" {
		b.spread[m.server.Labels[b.spreadBy]]++
	}
}

// countStranger counts a server that is in flight and no member any more; nil where it is gone.
func (b *budget) countStranger(server *v1alpha1.Server) {
	b.unavailable++
	if b.spreadBy != "" && server != nil {
		b.spread[server.Labels[b.spreadBy]]++
	}
}

// verdict is what a budget says of taking one more server.
type verdict int8

const (
	fits verdict = iota
	overUnavailable
	overSpread
	overList
)

// ask whether a member may be taken. One that is unavailable anyway makes nothing worse, but while
// more are than may be, it is not touched either.
func (b *budget) ask(m *member) verdict {
	one := 1
	if m.down {
		one = 0
	}
	switch {
	case b.inFlight >= listLimit:
		return overList
	case b.inFlight+1 > b.limit, b.unavailable+one > b.limit:
		return overUnavailable
	case b.spreadBy != "" && b.spread[m.server.Labels[b.spreadBy]]+one > b.perSpread:
		return overSpread
	}
	return fits
}

// full tells whether no server at all may be taken.
func (b *budget) full() bool { return b.inFlight >= min(b.limit, listLimit) }

// take a member, of which the budget said that it fits.
func (b *budget) take(m *member) {
	b.inFlight++
	if !m.down {
		m.down = true
		b.count(m)
	}
}
