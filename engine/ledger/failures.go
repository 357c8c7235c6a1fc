package ledger

import (
	"time"

	"stargate.io/stargate/policies/rules"
)

// failure is an Operation that ended Failed, with its server as it was when that was seen.
type failure struct {
	server Machine
	action string
	at     time.Time
}

// ObserveFailed counts an Operation that ended Failed, once.
func (l *Ledger) ObserveFailed(ask Ask, at, now time.Time) []Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.failures[ask.UID]; ok {
		return nil
	}
	server := Machine{Key: ask.Server}
	if m := l.machines[ask.Server]; m != nil {
		server = m.Machine
	}
	f := failure{server: server, action: ask.Action, at: at}
	l.failures[ask.UID] = f
	for _, c := range l.counters {
		if c.dimension.Kind == rules.Failed {
			cell := c.cell(c.values(&f.server, f.action))
			cell.addEnd(at)
			l.stir(cell)
		}
	}
	return l.seat(now)
}

// ForgetFailed forgets an Operation that is gone: what is counted is what the API server shows.
func (l *Ledger) ForgetFailed(uid string, now time.Time) []Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	f, ok := l.failures[uid]
	if !ok {
		return nil
	}
	delete(l.failures, uid)
	for _, c := range l.counters {
		if c.dimension.Kind == rules.Failed {
			cell := c.cell(c.values(&f.server, f.action))
			cell.dropEnd(f.at)
			l.stir(cell)
			cell.tidy()
		}
	}
	return l.seat(now)
}
