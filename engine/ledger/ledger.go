// Package ledger counts who is busy and who is unavailable, so that one Operation runs on a server, a
// datacenter is not asked for more than its limit, and no budget that a policy sets is exceeded.
//
// In: what was seen of Servers and Operations, the policies, and the wish of an Operation to start.
// Out: yes, with the place taken in the same step; or no, with everything that holds it; and, when
// something becomes free, whose it is now. What is free is given to the first in line (priority, then
// age), who is the only one to be woken.
//
//	Request ──nothing holds it──▶ reserved ──Release──▶ next in line is reserved, and told
//	   ├────something does─────▶ waiting, under one of the things that hold it
//	   └────a rule denies it───▶ denied
//
// Each dimension that some policy asks for is a table of counts, kept as servers and Operations come,
// change and go; so a question about the fleet costs one look into a table, whatever its size. It never
// admits before Rebuild has counted what already runs, and never reads a clock or a client.
package ledger

import (
	"strings"
	"sync"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/policies/rules"
)

// Key of a namespaced object, as "namespace/name".
type Key string

// Ask is one Operation's wish to start, or the record of one that has.
type Ask struct {
	// UID of the Operation, and its Key for whoever wakes it.
	UID string
	Key Key
	// Server and Site that it takes a place of.
	Server Key
	Site   Key
	// Limit of Operations at the site at once; zero for none.
	Limit int
	// Priority, then Created decide who is first in line, then UID.
	Priority int32
	Created  time.Time
	// Action that it does; Disrupts: its server is not available meanwhile.
	Action   string
	Disrupts bool
	// Begun: something was done for it already, so it keeps its place while rules hold what comes next.
	Begun bool
	// Facts that policies judge it by; nil where it is asked by the ledger's own rules alone.
	Facts *rules.Facts
	// Overrides name the rules that shall not hold or deny it, as "policy" or "policy/rule".
	Overrides []string
	// Named is the hold that its status names first; empty for none.
	Named Named
}

// Named hold: the rule, and whose it is.
type Named struct{ Source, Rule string }

// Verdict on an Ask.
type Verdict struct {
	Admitted bool
	// Denied ends the Operation, with the reason and message of the first hold.
	Denied bool
	// Holds that keep it waiting. The first is what it waits for.
	Holds []v1alpha1.Hold
	// Until is when to ask again though nothing changes; zero for not at all.
	Until time.Time
	// Notices to tell about an Operation that is admitted, once.
	Notices []Notice
	// PolicyHash over the policies that let it pass.
	PolicyHash string
	// Wake names others who are to ask again now.
	Wake []Key
}

// Ledger of one controller process. Safe for concurrent use.
type Ledger struct {
	mu       sync.Mutex
	rebuilt  bool
	entries  map[string]*entry
	machines map[Key]*machine
	sites    map[Key]*room
	failures map[string]failure

	policies []Policy
	hashed   hashed
	counters map[rules.Dimension]*counter

	classes map[classKey]*class
	clocks  clocks
	// triggered and again are whom to look at; round tells apart how often something was given away.
	triggered []*class
	again     []*entry
	looked    []*class
	round     uint64
	// slow are looked at by and by.
	slow []*entry

	before, after []*cell
}

// room is a site: how many are in it, and who waits outside.
type room struct {
	active int
	limit  int
	full   *class
	// known Operations for it, with a place or without.
	known int
}

type entry struct {
	Ask
	machine  *machine
	reserved bool
	// in is the class that it waits in, nil while it does not; index within it.
	in    *class
	index int
	reads []*cell
	// said is the class of what its status names first; nil where it is to ask again already. revised: the
	// policies changed since.
	said    *class
	revised bool
	// tried is the round in which it was looked at last.
	tried uint64
	// later: it is looked at by and by.
	later bool
	// noticed: what is to be told of it was.
	noticed bool
}

func (e *entry) waits() bool { return e.in != nil }

// New gives an empty ledger, which admits nothing before Rebuild.
func New() *Ledger {
	return &Ledger{entries: map[string]*entry{}, machines: map[Key]*machine{}, sites: map[Key]*room{}, failures: map[string]failure{},
		counters: map[rules.Dimension]*counter{}, classes: map[classKey]*class{}, round: 1}
}

// Rebuild counts what already runs. It replaces all that was known of Operations.
func (l *Ledger) Rebuild(active []Ask) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		l.drop(e)
	}
	for _, ask := range active {
		l.reserve(l.admit(ask))
	}
	l.rebuilt = true
	l.calm()
}

// Recount counts anew what runs in a namespace, and tells who lost a place in a line with that, and
// is to ask again.
func (l *Ledger) Recount(namespace string, active []Ask) (lost []Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if !strings.HasPrefix(string(e.Key), namespace+"/") {
			continue
		}
		if !e.reserved {
			lost = append(lost, e.Key)
		}
		l.drop(e)
	}
	for _, ask := range active {
		l.reserve(l.admit(ask))
	}
	return lost
}

// Occupy records an Operation that was seen to run already, whatever limits and rules say, and tells who
// is to ask again because of it.
func (l *Ledger) Occupy(ask Ask, now time.Time) []Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	ask.Begun = true
	if e := l.entries[ask.UID]; e != nil && e.reserved {
		e.Begun = true
		return nil
	}
	if e := l.take(ask); !e.reserved {
		l.reserve(e)
	}
	return l.seat(now)
}

// Request admits an Operation and takes its place, or puts it in line. Who has its place already is
// judged anew by the policies, and, unless it has begun, loses it where they hold it now.
func (l *Ledger) Request(ask Ask, now time.Time) Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.rebuilt {
		return Verdict{}
	}
	e := l.take(ask)
	site := l.allow(ask.Site, ask.Limit)
	l.due(now)
	j := l.judge(e, now, true)
	if !j.passes() && e.reserved && !e.Begun {
		// What it waits for now is counted without it.
		l.unreserve(e)
		j = l.judge(e, now, true)
	}
	switch {
	case j.denied:
		l.drop(e)
	case !j.passes():
		l.enter(e, j.wait)
		l.say(e)
	case !e.reserved && len(l.triggered) > 0:
		// In line first, so that a limit that was raised, or a window that has opened, does not seat
		// somebody who comes later.
		l.enter(e, blocker{classKey: classKey{kind: waitSite}, site: site})
		l.trigger(site.full)
	case !e.reserved:
		l.reserve(e)
	}
	wake := l.seat(now)
	if j.passes() && !e.reserved {
		j = l.passedBy(e, now)
	}
	return l.verdict(e, &j, without(wake, e.Key))
}

// allow a site a limit, and have those whom the one before kept back asked again.
func (l *Ledger) allow(at Key, limit int) *room {
	site := l.room(at)
	if site.limit != limit {
		site.limit = limit
		l.trigger(site.full)
	}
	return site
}

// passedBy judges anew an Operation that let those before it go first: they have taken what there was.
func (l *Ledger) passedBy(e *entry, now time.Time) judgement {
	j := l.judge(e, now, true)
	if j.denied {
		l.drop(e)
	} else if !j.passes() {
		l.leave(e)
		l.enter(e, j.wait)
		l.say(e)
	}
	return j
}

// take gives the entry of an Operation as it asks now, out of any line.
func (l *Ledger) take(ask Ask) *entry {
	e := l.entries[ask.UID]
	if e != nil && e.Server == ask.Server && e.Site == ask.Site {
		l.leave(e)
		l.unsay(e)
		e.revised = false
		ask.Begun = ask.Begun || e.Begun
		if ask.Action != e.Action || ask.Disrupts != e.Disrupts {
			ask.Action, ask.Disrupts = e.Action, e.Disrupts // which the API server lets nobody change
		}
		e.Ask = ask
		return e
	}
	if e == nil {
		return l.admit(ask)
	}
	keeps := e.reserved && (e.Begun || ask.Begun)
	l.drop(e)
	moved := l.admit(ask)
	if keeps {
		l.reserve(moved)
	}
	return moved
}

// Release gives an Operation's place back, or takes it out of the line, and tells who has the place
// now and is to be woken.
func (l *Ledger) Release(uid string, now time.Time) []Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[uid]
	if e == nil {
		return nil
	}
	l.drop(e)
	return l.seat(now)
}

// Load counts the Operations of a site that have a place and those that wait for one.
func (l *Ledger) Load(site Key) (active, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if room := l.sites[site]; room != nil {
		active = room.active
	}
	for _, e := range l.entries {
		if e.Site == site && !e.reserved {
			waiting++
		}
	}
	return active, waiting
}

// admit makes an Operation known, without a place yet.
func (l *Ledger) admit(ask Ask) *entry {
	e := &entry{Ask: ask, machine: l.machine(ask.Server)}
	e.machine.entries = append(e.machine.entries, e)
	l.entries[ask.UID] = e
	l.room(ask.Site).known++
	return e
}

// drop forgets an Operation, with its place.
func (l *Ledger) drop(e *entry) {
	l.leave(e)
	l.unsay(e)
	if e.reserved {
		l.unreserve(e)
	}
	m := e.machine
	for i, each := range m.entries {
		if each == e {
			m.entries = append(m.entries[:i], m.entries[i+1:]...)
			break
		}
	}
	delete(l.entries, e.UID)
	l.tidy(m)
	if room := l.room(e.Site); room.known == 1 {
		delete(l.sites, e.Site)
	} else {
		room.known--
	}
}

func (l *Ledger) reserve(e *entry) {
	m := e.machine
	l.shift(m, func() {
		e.reserved = true
		m.active++
		m.holder = e.Key
		if e.Disrupts {
			m.disrupting++
		}
	})
	l.room(e.Site).active++
}

func (l *Ledger) unreserve(e *entry) {
	m, site := e.machine, l.room(e.Site)
	l.shift(m, func() {
		e.reserved = false
		m.active--
		if e.Disrupts {
			m.disrupting--
		}
	})
	site.active--
	if m.active == 0 {
		m.holder = ""
		l.trigger(m.busy)
	}
	l.trigger(site.full)
}

func (l *Ledger) room(key Key) *room {
	site := l.sites[key]
	if site == nil {
		site = &room{}
		site.full = &class{key: classKey{kind: waitSite}, met: func() bool { return !site.isFull() }}
		l.sites[key] = site
	}
	return site
}

// calm forgets whom to look at, where there is nobody left who waits.
func (l *Ledger) calm() {
	for _, c := range l.triggered {
		c.queued = false
	}
	l.triggered, l.again, l.looked, l.slow = nil, nil, nil, nil
}

func (r *room) isFull() bool { return r.limit > 0 && r.active >= r.limit }

func without(keys []Key, one Key) []Key {
	kept := keys[:0]
	for _, key := range keys {
		if key != one {
			kept = append(kept, key)
		}
	}
	return kept
}
