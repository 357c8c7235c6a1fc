package ledger_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/policies/rules"
)

// twin is the ledger as one would first write it: lists, and a look through all of them each time.
type twin struct {
	now      time.Time
	entries  map[string]*twinEntry
	limits   map[ledger.Key]int
	servers  map[ledger.Key]*ledger.Machine
	ghosts   map[ledger.Key]*ledger.Machine
	failed   []twinFailure
	policies []ledger.Policy
}

type twinEntry struct {
	ledger.Ask
	reserved bool
	// forced: it was seen to run, whatever the limits say.
	forced bool
}

type twinFailure struct {
	uid    string
	server ledger.Machine
	action string
	at     time.Time
}

func newTwin() *twin {
	return &twin{now: time.Unix(1_000_000, 0), entries: map[string]*twinEntry{}, limits: map[ledger.Key]int{}, servers: map[ledger.Key]*ledger.Machine{}, ghosts: map[ledger.Key]*ledger.Machine{}}
}

func (n *twin) uids() []string { return slices.Sorted(maps.Keys(n.entries)) }

// free tells whether nothing holds an Operation that waits.
func (n *twin) free(e *twinEntry) bool {
	active, _ := n.load(e.Site)
	if limit := n.limits[e.Site]; limit > 0 && active >= limit {
		return false
	}
	for _, other := range n.entries {
		if other.reserved && other.Server == e.Server {
			return false
		}
	}
	return n.allowed(e)
}

// allowed tells whether no policy holds or denies an Operation.
func (n *twin) allowed(e *twinEntry) bool {
	facts := *e.Facts
	facts.Now = n.now
	for _, policy := range n.policies {
		for _, f := range policy.Evaluate(&facts, &twinView{n, e}).Findings {
			if !f.DryRun && (f.Effect == rules.Hold || f.Effect == rules.Deny) {
				return false
			}
		}
	}
	return true
}

// holdsBy tells whether a hold that a status names is true.
func (n *twin) holdsBy(e *twinEntry, hold *v1alpha1.Hold) bool {
	switch kind, name, _ := strings.Cut(hold.Source, "/"); kind {
	case "Server":
		return slices.ContainsFunc(slices.Collect(maps.Values(n.entries)), func(other *twinEntry) bool { return other.reserved && other.Server == e.Server })
	case "Datacenter":
		active, _ := n.load(e.Site)
		return n.limits[e.Site] > 0 && active >= n.limits[e.Site]
	default:
		facts := *e.Facts
		facts.Now = n.now
		return slices.ContainsFunc(n.policies, func(p ledger.Policy) bool {
			return p.Name() == name && len(p.Evaluate(&facts, &twinView{n, e}).Findings) > 0
		})
	}
}

// denied tells whether a policy denies an Operation.
func (n *twin) denied(e *twinEntry) bool {
	facts := *e.Facts
	facts.Now = n.now
	for _, policy := range n.policies {
		for _, f := range policy.Evaluate(&facts, &twinView{n, e}).Findings {
			if f.Effect == rules.Deny {
				return true
			}
		}
	}
	return false
}

// twinView answers questions by counting.
type twinView struct {
	twin *twin
	e    *twinEntry
}

// Answer implements rules.Fleet.
func (v *twinView) Answer(q rules.Question) rules.Answer {
	var answer rules.Answer
	count := func(m *ledger.Machine, action string) {
		if ledger.ValuesOf(q.Dimension, m, action) == q.Values {
			answer.Count++
		}
	}
	switch q.Kind {
	case rules.Total:
		for _, m := range v.twin.servers {
			count(m, "")
		}
	case rules.Active:
		for _, e := range v.twin.entries {
			if e.reserved && e != v.e {
				count(v.twin.server(e.Server), e.Action)
			}
		}
	case rules.Unavailable:
		for key := range v.twin.everyServer() {
			if m := v.twin.server(key); key != v.e.Server && v.twin.unavailable(key) {
				count(m, "")
			}
		}
	case rules.Failed:
		for i := range v.twin.failed {
			f := &v.twin.failed[i]
			if f.at.After(v.twin.now.Add(-q.Within)) && ledger.ValuesOf(q.Dimension, &f.server, f.action) == q.Values {
				answer.Count++
				if past := f.at.Add(q.Within); answer.Changes.IsZero() || past.Before(answer.Changes) {
					answer.Changes = past
				}
			}
		}
	}
	return answer
}

func (n *twin) server(key ledger.Key) *ledger.Machine {
	if m := n.servers[key]; m != nil {
		return m
	}
	if m := n.ghosts[key]; m != nil && n.named(key) {
		return m
	}
	return &ledger.Machine{Key: key}
}

// forget a server. What is under way on it still counts where it stood.
func (n *twin) forget(key ledger.Key) {
	if m := n.servers[key]; m != nil {
		n.ghosts[key] = m
		delete(n.servers, key)
	}
	if !n.named(key) {
		delete(n.ghosts, key)
	}
}

// named tells whether an Operation is for a server.
func (n *twin) named(key ledger.Key) bool {
	for _, e := range n.entries {
		if e.Server == key {
			return true
		}
	}
	return false
}

func (n *twin) everyServer() map[ledger.Key]bool {
	all := map[ledger.Key]bool{}
	for key := range n.servers {
		all[key] = true
	}
	for _, e := range n.entries {
		all[e.Server] = true
	}
	return all
}

func (n *twin) unavailable(key ledger.Key) bool {
	for _, e := range n.entries {
		if e.reserved && e.Disrupts && e.Server == key {
			return true
		}
	}
	m := n.servers[key]
	return m != nil && m.Touched && !m.Up
}

func ahead(a, b *twinEntry) bool {
	if a.Priority != b.Priority {
		return a.Priority > b.Priority
	}
	if !a.Created.Equal(b.Created) {
		return a.Created.Before(b.Created)
	}
	return a.UID < b.UID
}

func (n *twin) load(site ledger.Key) (active, waiting int) {
	for _, e := range n.entries {
		switch {
		case e.Site != site:
		case e.reserved:
			active++
		default:
			waiting++
		}
	}
	return active, waiting
}

// holds says what rule is broken: one Operation on a server, unless both were seen to run.
func (n *twin) holds() error {
	on := map[ledger.Key]*twinEntry{}
	for _, uid := range n.uids() {
		e := n.entries[uid]
		if other := on[e.Server]; e.reserved && other != nil && !e.forced && !other.forced {
			return fmt.Errorf("%s and %s are both on %s", e.UID, other.UID, e.Server)
		}
		if e.reserved {
			on[e.Server] = e
		}
	}
	return nil
}
