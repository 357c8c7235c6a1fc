package ledger

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"stargate.io/stargate/api/v1alpha1"
)

// Machine is a Server as it is counted.
type Machine struct {
	Key Key
	// Labels of the Server, which nobody may change.
	Labels map[string]string
	// Datacenter that reaches it, and Group that selects it; empty for none.
	Datacenter, Group string
	// Up: it was touched, and is ready. Touched: something was done to it, or it was adopted. One that
	// never was serves nobody, and its absence is no loss.
	Up, Touched bool
	// Version of the Server: what is older than what is known changes nothing.
	Version uint64
}

// MachineOf a Server, with the name of the Datacenter that reaches it and of the ServerGroup that
// selects it.
func MachineOf(server *v1alpha1.Server, datacenter, group string, version uint64) Machine {
	return Machine{Key: Key(server.Namespace + "/" + server.Name), Labels: server.Labels, Datacenter: datacenter, Group: group,
		Up: Up(server), Touched: server.Status.State != v1alpha1.ServerUntouched, Version: version}
}

// Up tells whether a server serves: it was touched, and is ready.
func Up(server *v1alpha1.Server) bool {
	status := &server.Status
	return status.State == v1alpha1.ServerReady && status.Quarantine == nil && !server.Spec.Maintenance &&
		!meta.IsStatusConditionFalse(status.Conditions, v1alpha1.ConditionReady)
}

// Disrupts tells whether an action takes its server away from whom it serves.
func Disrupts(action v1alpha1.Action) bool {
	return action != v1alpha1.ActionInspect && action != v1alpha1.ActionPowerOn
}

// machine is what is known of a server: as it was seen last, who has a place on it and who waits.
type machine struct {
	Machine
	// known: there is a Server of that name; else somebody merely names it.
	known bool
	// active Operations on it, of which so many disrupt; holder is the latest.
	active, disrupting int
	holder             Key
	// busy are those who wait for it to become free.
	busy *class
	// entries of Operations for it, with a place or without.
	entries []*entry
}

// unavailable tells whether a server counts as one.
func (m *machine) unavailable() bool {
	return m.disrupting > 0 || (m.known && m.Touched && !m.Up)
}

func (m *machine) same(other *Machine) bool {
	return m.placed(other) && m.Up == other.Up && m.Touched == other.Touched
}

// placed tells whether a server is where it was, by all that counts are kept apart by.
func (m *machine) placed(other *Machine) bool {
	return m.known && m.Datacenter == other.Datacenter && m.Group == other.Group && maps.Equal(m.Labels, other.Labels)
}

// Observe counts a server as it is now, and tells who is to ask again because of it.
func (l *Ledger) Observe(seen Machine, now time.Time) []Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.machine(seen.Key)
	if m.known && seen.Version != 0 && seen.Version < m.Version {
		return nil
	}
	if m.same(&seen) {
		m.Machine = seen
		return nil
	}
	if m.disrupting > 0 && m.placed(&seen) {
		m.Machine = seen // It counts as unavailable whether it is up or not, as long as it is worked on.
	} else {
		l.shift(m, func() { m.Machine, m.known = seen, true })
	}
	return l.settle(m, now)
}

// Forget a server that is gone.
func (l *Ledger) Forget(key Key, now time.Time) []Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.machines[key]
	if m == nil || !m.known {
		return nil
	}
	l.shift(m, func() { m.known, m.Version = false, 0 })
	woken := l.settle(m, now)
	l.tidy(m)
	return woken
}

// settle has those ask again who are judged by what a server was, and gives what became free to whose
// turn it is.
func (l *Ledger) settle(m *machine, now time.Time) []Key {
	var outdated []*entry
	for _, e := range m.entries {
		if e.waits() && e.Facts != nil {
			l.leave(e)
			l.unsay(e)
			l.enter(e, blocker{})
			outdated = append(outdated, e)
		}
	}
	slices.SortFunc(outdated, inLine)
	woken := l.seat(now)
	for _, e := range outdated {
		woken = append(woken, e.Key)
	}
	return woken
}

func (l *Ledger) machine(key Key) *machine {
	m := l.machines[key]
	if m == nil {
		m = &machine{Machine: Machine{Key: key}}
		m.busy = &class{key: classKey{kind: waitServer}, met: func() bool { return m.active == 0 }}
		l.machines[key] = m
	}
	return m
}

// tidy forgets a server that is gone, and that nobody names any more.
func (l *Ledger) tidy(m *machine) {
	if !m.known && len(m.entries) == 0 {
		delete(l.machines, m.Key)
	}
}
