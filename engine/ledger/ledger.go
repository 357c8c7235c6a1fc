// Package ledger counts who is busy, so that one Operation runs on a server and a datacenter is not
// asked for more than its limit.
//
// In: what was seen of Operations, and the wish of one to start. Out: yes, with the place taken in
// the same step, or no, with what it waits for; and, when a place becomes free, whose it is now. A
// freed place is given to the first in line (priority, then age), who is the only one to be woken.
//
//	Request ──free──▶ reserved ──Release──▶ next in line is reserved, and told
//	   └────taken───▶ waiting
//
// It never admits before Rebuild has counted what already runs, and never reads a clock or a client.
package ledger

import (
	"container/heap"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
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
}

// Verdict on an Ask.
type Verdict struct {
	Admitted bool
	// Server that is busy, with the Operation that has it; empty where it is not that.
	BusyWith Key
	// Active Operations at the site and its Limit, where that is what it waits for.
	Active, Limit int
	// Wake names those who got a place because the site's limit was raised.
	Wake []Key
}

// Ledger of one controller process. Safe for concurrent use.
type Ledger struct {
	mu      sync.Mutex
	rebuilt bool
	entries map[string]*entry
	servers map[Key]*room
	sites   map[Key]*room
}

// room is a server or a site: who is in it, and who waits outside.
type room struct {
	active  int
	holder  Key
	limit   int
	waiting line
}

type entry struct {
	Ask
	reserved bool
	// queue that the entry waits in, nil while it does not; index within it.
	queue *line
	index int
}

// New gives an empty ledger, which admits nothing before Rebuild.
func New() *Ledger {
	return &Ledger{entries: map[string]*entry{}, servers: map[Key]*room{}, sites: map[Key]*room{}}
}

// Rebuild counts what already runs. It replaces everything.
func (l *Ledger) Rebuild(active []Ask) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries, l.servers, l.sites = map[string]*entry{}, map[Key]*room{}, map[Key]*room{}
	for _, ask := range active {
		l.reserve(&entry{Ask: ask})
	}
	l.rebuilt = true
}

// Recount counts anew what runs in a namespace, and tells who lost a place in a line with that, and
// is to ask again.
func (l *Ledger) Recount(namespace string, active []Ask) (lost []Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	within := func(key Key) bool { return strings.HasPrefix(string(key), namespace+"/") }
	for uid, e := range l.entries {
		if !within(e.Key) {
			continue
		}
		if !e.reserved {
			lost = append(lost, e.Key)
		}
		delete(l.entries, uid)
	}
	for _, rooms := range []map[Key]*room{l.servers, l.sites} {
		maps.DeleteFunc(rooms, func(key Key, _ *room) bool { return within(key) })
	}
	for _, ask := range active {
		l.reserve(&entry{Ask: ask})
	}
	return lost
}

// Occupy records an Operation that was seen to run already, whatever the limits say.
func (l *Ledger) Occupy(ask Ask) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[ask.UID]
	if e != nil && e.reserved {
		return
	}
	if e != nil {
		l.leave(e)
	}
	l.reserve(&entry{Ask: ask})
}

// Request admits an Operation and takes its place, or puts it in line.
func (l *Ledger) Request(ask Ask) Verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.rebuilt {
		return Verdict{}
	}
	e := l.entries[ask.UID]
	if e != nil && e.reserved {
		return Verdict{Admitted: true}
	}
	if e != nil {
		l.leave(e)
	}
	e = &entry{Ask: ask}
	server, site := l.room(l.servers, ask.Server), l.room(l.sites, ask.Site)
	// In line first, so that a limit that was raised does not seat somebody who comes later.
	if server.active > 0 {
		l.enter(e, &server.waiting)
	} else {
		l.enter(e, &site.waiting)
	}
	site.limit = ask.Limit
	wake := l.seat(site)
	switch {
	case e.reserved:
		return Verdict{Admitted: true, Wake: slices.DeleteFunc(wake, func(key Key) bool { return key == ask.Key })}
	case server.active > 0:
		return Verdict{BusyWith: server.holder, Wake: wake}
	}
	return Verdict{Active: site.active, Limit: site.limit, Wake: wake}
}

// Release gives an Operation's place back, or takes it out of the line, and tells who has the place
// now and is to be woken.
func (l *Ledger) Release(uid string) []Key {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[uid]
	if e == nil {
		return nil
	}
	delete(l.entries, uid)
	server, site := l.room(l.servers, e.Server), l.room(l.sites, e.Site)
	if e.reserved {
		server.active--
		site.active--
	} else {
		l.leave(e)
	}
	woken := l.promote(server)
	woken = append(woken, l.seat(site)...)
	tidy(l.servers, e.Server)
	tidy(l.sites, e.Site)
	return woken
}

// promote moves the first who waits for a free server on to its site's line, and seats that site.
func (l *Ledger) promote(server *room) []Key {
	if server.active > 0 {
		return nil
	}
	server.holder = ""
	next := server.waiting.pop()
	if next == nil {
		return nil
	}
	site := l.room(l.sites, next.Site)
	l.enter(next, &site.waiting)
	return l.seat(site)
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

// seat gives the free places of a site to the first in line whose server is free.
func (l *Ledger) seat(site *room) []Key {
	var woken []Key
	for !site.full() {
		next := site.waiting.pop()
		if next == nil {
			break
		}
		if server := l.room(l.servers, next.Server); server.active > 0 {
			l.enter(next, &server.waiting)
			continue
		}
		l.reserve(next)
		woken = append(woken, next.Key)
	}
	return woken
}

func (l *Ledger) reserve(e *entry) {
	e.reserved = true
	l.entries[e.UID] = e
	server, site := l.room(l.servers, e.Server), l.room(l.sites, e.Site)
	server.active++
	server.holder = e.Key
	site.active++
}

func (l *Ledger) enter(e *entry, queue *line) {
	l.entries[e.UID] = e
	e.queue = queue
	heap.Push(queue, e)
}

func (l *Ledger) leave(e *entry) {
	if e.queue != nil {
		heap.Remove(e.queue, e.index)
		e.queue = nil
	}
}

func (l *Ledger) room(rooms map[Key]*room, key Key) *room {
	if rooms[key] == nil {
		rooms[key] = &room{}
	}
	return rooms[key]
}

// tidy forgets a server or site that nobody is in or waits for.
func tidy(rooms map[Key]*room, key Key) {
	if room := rooms[key]; room != nil && room.active == 0 && room.waiting.Len() == 0 {
		delete(rooms, key)
	}
}

func (r *room) full() bool { return r.limit > 0 && r.active >= r.limit }
