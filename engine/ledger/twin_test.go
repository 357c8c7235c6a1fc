package ledger_test

import (
	"fmt"
	"maps"
	"slices"

	"stargate.io/stargate/engine/ledger"
)

// twin is the ledger as one would first write it: a list, and a look through all of it.
type twin struct {
	entries map[string]*twinEntry
	limits  map[ledger.Key]int
}

type twinEntry struct {
	ledger.Ask
	reserved bool
	// forced: it was seen to run, whatever the limits say.
	forced bool
}

func newTwin() *twin {
	return &twin{entries: map[string]*twinEntry{}, limits: map[ledger.Key]int{}}
}

func (n *twin) uids() []string { return slices.Sorted(maps.Keys(n.entries)) }

func (n *twin) request(ask ledger.Ask) []ledger.Key {
	if e := n.entries[ask.UID]; e != nil && e.reserved {
		return []ledger.Key{ask.Key}
	}
	n.entries[ask.UID] = &twinEntry{Ask: ask}
	n.limits[ask.Site] = ask.Limit
	return n.settle()
}

func (n *twin) occupy(ask ledger.Ask) {
	if e := n.entries[ask.UID]; e == nil || !e.reserved {
		n.entries[ask.UID] = &twinEntry{Ask: ask, reserved: true, forced: true}
	}
}

func (n *twin) release(uid string) []ledger.Key {
	delete(n.entries, uid)
	return n.settle()
}

// settle gives places as long as there is somebody who can have one, the first in line first.
func (n *twin) settle() (told []ledger.Key) {
	for {
		next := n.next()
		if next == nil {
			return told
		}
		next.reserved = true
		told = append(told, next.Key)
	}
}

func (n *twin) next() *twinEntry {
	var first *twinEntry
	for _, e := range n.entries {
		if !e.reserved && n.free(e) && (first == nil || ahead(e, first)) {
			first = e
		}
	}
	return first
}

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
	return true
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
	for _, e := range n.entries {
		if other := on[e.Server]; e.reserved && other != nil && !e.forced && !other.forced {
			return fmt.Errorf("%s and %s are both on %s", e.UID, other.UID, e.Server)
		}
		if e.reserved {
			on[e.Server] = e
		}
	}
	return nil
}
