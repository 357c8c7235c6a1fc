package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/policies/rules"
)

// TestAgainstTwin does the same at random to the ledger and to a naive twin, which looks through
// everybody each time. Whoever is given a place could have one just then and was the first in line of
// those who could; and whoever could go does go.
func TestAgainstTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { compare(t, false) })
}

// TestAgainstTwinWithFailures has rules that count failures too, of which the clock alone frees: there the
// order of those who are free at the same time is that of their clocks.
func TestAgainstTwinWithFailures(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { compare(t, true) })
}

// FuzzLedger lets the fuzzer choose what is done.
func FuzzLedger(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { compare(t, false) }))
}

// pair is a ledger with its twin, and whoever looks after the Operations in it.
type pair struct {
	t        *rapid.T
	real     *ledger.Ledger
	naive    *twin
	failures bool
	story    []string
	// clocks are when Operations ask again by themselves.
	clocks map[string]time.Time
	asks   map[ledger.Key]ledger.Ask
	// says is what the status of each names first.
	says map[string]v1alpha1.Hold
	// changing is the server that has just changed.
	changing ledger.Key
}

func compare(t *rapid.T, failures bool) {
	p := &pair{t: t, real: ledger.New(), naive: newTwin(), failures: failures, clocks: map[string]time.Time{}, asks: map[ledger.Key]ledger.Ask{}, says: map[string]v1alpha1.Hold{}}
	p.real.Rebuild(nil)
	for range rapid.IntRange(1, 50).Draw(t, "length") {
		p.step()
		p.sweep()
		p.check()
	}
	p.empty()
}

func siteKey(n int) ledger.Key { return ledger.Key(fmt.Sprintf("ns/site-%d", n)) }

// serverKey of an Operation: two share one.
func serverKey(n int) ledger.Key { return ledger.Key(fmt.Sprintf("ns/server-%d-%d", n%2, n%6/2)) }

// anyAsk is a wish of one of a few Operations. What it is for never changes, its priority and its
// site's limit may.
func (p *pair) anyAsk() ledger.Ask {
	t := p.t
	n := rapid.IntRange(0, 11).Draw(t, "operation")
	ask := ledger.Ask{
		UID: fmt.Sprintf("uid-%02d", n), Key: ledger.Key(fmt.Sprintf("ns/op-%02d", n)), Server: serverKey(n), Site: siteKey(n % 2),
		Limit: rapid.SampledFrom([]int{0, 1, 1, 2, 2, 3}).Draw(t, "limit"), Priority: rapid.Int32Range(0, 2).Draw(t, "priority"),
		Created: time.Unix(int64(n*7%5), 0), Action: string(v1alpha1.ActionRepave), Disrupts: n%4 != 3,
	}
	if !ask.Disrupts {
		ask.Action = string(v1alpha1.ActionInspect)
	}
	return ask
}

// facts of an Operation as the twin sees its server now.
func (p *pair) facts(ask *ledger.Ask) {
	m := p.naive.server(ask.Server)
	_, name, _ := splitName(ask.Server)
	ask.Facts = &rules.Facts{Operation: rules.Operation{Action: ask.Action}, Server: rules.Server{Name: name, Namespace: "ns", Labels: m.Labels},
		Datacenter: rules.Datacenter{Name: m.Datacenter}, Group: rules.Group{Name: m.Group}, Now: p.naive.now}
}

func splitName(key ledger.Key) (namespace, name string, ok bool) {
	return "ns", string(key)[3:], true
}

func (p *pair) step() {
	switch rapid.IntRange(0, 15).Draw(p.t, "what") {
	case 0, 1, 2, 3, 4, 5:
		ask := p.anyAsk()
		p.note("request %s priority %d limit %d", ask.UID, ask.Priority, ask.Limit)
		p.request(ask)
	case 6:
		p.occupy(p.anyAsk())
	case 7:
		p.server()
	case 8:
		key := serverKey(rapid.IntRange(0, 11).Draw(p.t, "server"))
		p.note("forget %s", key)
		p.naive.forget(key)
		p.changing = key
		p.wake(p.real.Forget(key, p.naive.now))
		p.changing = ""
		p.lookAt(key)
	case 9:
		p.tick()
	case 10:
		p.policies()
	case 11:
		p.fail()
	default:
		p.release()
	}
}

func (p *pair) note(format string, args ...any) {
	p.story = append(p.story, fmt.Sprintf(format, args...))
}

// request asks for a place as a reconciler does, and takes in what follows.
func (p *pair) request(ask ledger.Ask) {
	p.facts(&ask)
	p.naive.limits[ask.Site] = ask.Limit
	before := p.naive.entries[ask.UID]
	e := &twinEntry{Ask: ask}
	if before != nil {
		e.reserved, e.forced, e.Begun = before.reserved, before.forced, before.Begun
		e.Action, e.Disrupts = before.Action, before.Disrupts
	}
	p.naive.entries[ask.UID] = e
	p.asks[ask.Key] = ask
	delete(p.clocks, ask.UID)
	denied, lost := p.naive.denied(e), e.reserved && !e.Begun && !p.naive.allowed(e)
	verdict := p.real.Request(ask, p.naive.now)
	if denied && !verdict.Denied {
		p.broken("request %s: not denied, the twin denies it", ask.UID)
	}
	if lost {
		e.reserved = false
	}
	delete(p.says, ask.UID)
	if len(verdict.Holds) > 0 && !verdict.Denied {
		p.says[ask.UID] = verdict.Holds[0]
	}
	if !verdict.Until.IsZero() {
		p.clocks[ask.UID] = verdict.Until
	}
	if !verdict.Admitted && !verdict.Denied && len(verdict.Holds) == 0 {
		p.broken("request %s: not admitted, and nothing holds it", ask.UID)
	}
	placed := verdict.Wake
	if verdict.Admitted && !e.reserved {
		// It may have been given its place before or after others that were looked at with it.
		placed = append([]ledger.Key{ask.Key}, placed...)
		slices.SortStableFunc(placed, p.byLine)
	}
	if denied {
		delete(p.naive.entries, ask.UID)
	}
	p.wake(placed)
	if verdict.Denied && !denied {
		// Those before it in line, whom a raised limit let go, made it so.
		if !p.naive.denied(e) {
			p.broken("request %s: denied, the twin does not", ask.UID)
		}
		delete(p.naive.entries, ask.UID)
	}
}

func (p *pair) byLine(a, b ledger.Key) int {
	one, other := p.naive.entries[p.asks[a].UID], p.naive.entries[p.asks[b].UID]
	if one != nil && other != nil && ahead(one, other) {
		return -1
	}
	return 1
}

// wake takes in who was given a place, in that order, and has the others ask again.
func (p *pair) wake(keys []ledger.Key) {
	var again []ledger.Key
	for _, key := range keys {
		e := p.naive.entries[p.asks[key].UID]
		if e == nil {
			p.broken("woke %s, who is not there", key)
		}
		if e.reserved || !p.real.Placed(e.UID) {
			again = append(again, key)
			continue
		}
		p.seat(e)
	}
	for _, key := range again {
		p.request(p.asks[key])
	}
}

// seat checks with the twin that an Operation may have the place that it was given, and is the first.
func (p *pair) seat(e *twinEntry) {
	if !p.naive.free(e) {
		p.broken("%s was given a place, and the twin holds it", e.UID)
	}
	for _, uid := range p.naive.uids() {
		other := p.naive.entries[uid]
		if !p.failures && !other.reserved && other != e && ahead(other, e) && p.naive.free(other) && p.due(other) {
			p.broken("%s was given a place before %s, which was first in line", e.UID, uid)
		}
	}
	e.reserved = true
	delete(p.says, e.UID)
}

// due tells whether an Operation is in line: not while its server has just changed, and it is to be asked
// anew what it is judged by.
func (p *pair) due(e *twinEntry) bool { return e.Server != p.changing }

// lookAt has the Operations of a server ask again, as its watch does.
func (p *pair) lookAt(server ledger.Key) {
	var keys []ledger.Key
	for _, uid := range p.naive.uids() {
		if e := p.naive.entries[uid]; e.Server == server && !e.forced {
			keys = append(keys, e.Key)
		}
	}
	slices.SortFunc(keys, p.byLine)
	for _, key := range keys {
		if p.naive.entries[p.asks[key].UID] != nil {
			p.request(p.asks[key])
		}
	}
}

func (p *pair) occupy(ask ledger.Ask) {
	p.note("occupy %s", ask.UID)
	p.facts(&ask)
	p.asks[ask.Key] = ask
	if e := p.naive.entries[ask.UID]; e == nil || !e.reserved {
		p.naive.entries[ask.UID] = &twinEntry{Ask: ask, reserved: true, forced: true}
	}
	p.naive.entries[ask.UID].Begun = true
	delete(p.clocks, ask.UID)
	p.wake(p.real.Occupy(ask, p.naive.now))
}

func (p *pair) server() {
	t := p.t
	m := ledger.Machine{Key: serverKey(rapid.IntRange(0, 11).Draw(t, "server")), Datacenter: rapid.SampledFrom([]string{"east", "west"}).Draw(t, "datacenter"),
		Group: rapid.SampledFrom([]string{"", "web"}).Draw(t, "group"), Labels: map[string]string{"rack": rapid.SampledFrom([]string{"r1", "r2"}).Draw(t, "rack")},
		Up: rapid.Bool().Draw(t, "up"), Touched: rapid.IntRange(0, 4).Draw(t, "touched") > 0}
	p.note("observe %+v", m)
	p.naive.servers[m.Key] = &m
	delete(p.naive.ghosts, m.Key)
	for _, e := range p.naive.entries {
		if e.Server == m.Key {
			p.facts(&e.Ask)
		}
	}
	p.changing = m.Key
	p.wake(p.real.Observe(m, p.naive.now))
	p.changing = ""
	p.lookAt(m.Key)
}

func (p *pair) tick() {
	span := time.Duration(rapid.IntRange(10, 400).Draw(p.t, "seconds")) * time.Second
	p.note("tick %s", span)
	p.naive.now = p.naive.now.Add(span)
	p.timers()
}

// timers has those ask again whose time has come.
func (p *pair) timers() {
	for _, uid := range p.naive.uids() {
		if at, ok := p.clocks[uid]; ok && !at.After(p.naive.now) {
			if e := p.naive.entries[uid]; e != nil {
				p.request(p.asks[e.Key])
			}
		}
	}
}

func (p *pair) policies() {
	policies := anyPolicies(p.t, p.failures)
	for _, each := range policies {
		p.note("policy %+v", *each.(*pretend))
	}
	p.naive.policies = policies
	p.real.SetPolicies(policies)
}

// sweep looks at those who are looked at by and by.
func (p *pair) sweep() {
	for more := true; more; {
		var woken []ledger.Key
		woken, more = p.real.Sweep(2, p.naive.now)
		p.wake(woken)
	}
}

func (p *pair) fail() {
	ask := p.anyAsk()
	uid := fmt.Sprintf("ended-%d", len(p.naive.failed))
	p.note("%s failed on %s", uid, ask.Server)
	p.naive.failed = append(p.naive.failed, twinFailure{uid, *p.naive.server(ask.Server), ask.Action, p.naive.now})
	ask.UID = uid
	p.wake(p.real.ObserveFailed(ask, p.naive.now, p.naive.now))
}

func (p *pair) release() {
	uid := p.anyAsk().UID
	if len(p.naive.entries) > 0 && rapid.IntRange(0, 3).Draw(p.t, "known") > 0 {
		uid = rapid.SampledFrom(p.naive.uids()).Draw(p.t, "uid")
	}
	p.note("release %s", uid)
	delete(p.naive.entries, uid)
	delete(p.clocks, uid)
	p.wake(p.real.Release(uid, p.naive.now))
}

// check that both agree on who has a place, that nobody waits who could go, and that what is counted is
// what there is.
func (p *pair) check() {
	p.t.Helper()
	for key := range p.naive.ghosts {
		p.naive.forget(key) // once nobody names it any more
	}
	if err := p.naive.holds(); err != nil {
		p.broken("%v", err)
	}
	for _, uid := range p.naive.uids() {
		e := p.naive.entries[uid]
		if e.reserved != p.real.Placed(uid) {
			p.broken("%s has a place: %v, the twin %v", uid, p.real.Placed(uid), e.reserved)
		}
		if !e.reserved && p.naive.free(e) {
			p.broken("%s waits, and nothing holds it", uid)
		}
		// Who waits for a budget is not told that another was let onto its server meanwhile: it is not its turn
		// either way.
		busy := v1alpha1.Hold{Source: "Server/"}
		if hold, ok := p.says[uid]; ok && !e.reserved && !p.naive.holdsBy(e, &hold) && !p.naive.holdsBy(e, &busy) {
			p.broken("%s is said to be held by %s %s, and is not", uid, hold.Source, hold.Rule)
		}
	}
	for site := range 2 {
		key := siteKey(site)
		active, waiting := p.real.Load(key)
		if wantActive, wantWaiting := p.naive.load(key); active != wantActive || waiting != wantWaiting {
			p.broken("%s has %d active and %d waiting, the twin %d and %d", key, active, waiting, wantActive, wantWaiting)
		}
	}
	p.checkAnswers()
}

func (p *pair) checkAnswers() {
	stranger := &twinEntry{}
	for _, policy := range p.naive.policies {
		for _, dimension := range policy.Dimensions() {
			for key := range p.naive.everyServer() {
				q := rules.Question{Dimension: dimension, Within: policy.(*pretend).within,
					Values: ledger.ValuesOf(dimension, p.naive.server(key), string(v1alpha1.ActionRepave))}
				got, want := p.real.Answer(q, p.naive.now), (&twinView{p.naive, stranger}).Answer(q)
				if got != want {
					p.broken("%+v: counted %+v, the twin %+v", q, got, want)
				}
			}
		}
	}
}

// empty releases everybody, and shows that nothing is left of them.
func (p *pair) empty() {
	for _, uid := range p.naive.uids() {
		p.real.Release(uid, p.naive.now)
	}
	for key := range p.naive.servers {
		p.real.Forget(key, p.naive.now)
	}
	for i := range p.naive.failed {
		p.real.ForgetFailed(p.naive.failed[i].uid, p.naive.now)
	}
	if servers, sites := p.real.Rooms(); servers != 0 || sites != 0 {
		p.broken("%d servers and %d sites are remembered after everybody was released", servers, sites)
	}
	if classes, cells, listed := p.real.Leftovers(); classes != 0 || cells != 0 || listed != 0 {
		p.broken("%d classes, %d counts and %d to be looked at are remembered after everybody was released", classes, cells, listed)
	}
}

func (p *pair) broken(format string, args ...any) {
	p.t.Helper()
	p.t.Fatalf("%q: %s", p.story, fmt.Sprintf(format, args...))
}

func TestNothingIsAdmittedBeforeTheCount(t *testing.T) {
	l, now := ledger.New(), time.Unix(0, 0)
	ask := ledger.Ask{UID: "a", Key: "ns/a", Server: "ns/s", Site: "ns/site"}
	if l.Request(ask, now).Admitted {
		t.Error("admitted before Rebuild")
	}
	l.Rebuild([]ledger.Ask{{UID: "b", Key: "ns/b", Server: "ns/s", Site: "ns/site"}})
	if verdict := l.Request(ask, now); verdict.Admitted || verdict.Holds[0].Reason != v1alpha1.ReasonServerBusy {
		t.Errorf("%+v on a server that is busy since before", verdict)
	}
	if woken := l.Release("b", now); !slices.Equal(woken, []ledger.Key{"ns/a"}) {
		t.Errorf("woke %v", woken)
	}
}

// TestMovedServer: a Server is given to another datacenter while two wait for it. Neither waits on
// where there is room.
func TestMovedServer(t *testing.T) {
	l, now := ledger.New(), time.Unix(0, 0)
	l.Rebuild([]ledger.Ask{{UID: "busy", Key: "ns/busy", Server: "ns/s", Site: "ns/full"}, {UID: "other", Key: "ns/other", Server: "ns/o", Site: "ns/full"}})
	for _, uid := range []string{"a", "b"} {
		l.Request(ledger.Ask{UID: uid, Key: ledger.Key("ns/" + uid), Server: "ns/s", Site: "ns/full", Limit: 1}, now)
	}
	l.Release("busy", now)
	if verdict := l.Request(ledger.Ask{UID: "b", Key: "ns/b", Server: "ns/s", Site: "ns/roomy", Limit: 1}, now); !verdict.Admitted {
		t.Errorf("%+v: the server is free, and the site it was moved to has room", verdict)
	}
}

// TestRecount: a namespace was somebody else's for a while. What ended there meanwhile has no place
// any more, what began there has one, and who waited asks again.
func TestRecount(t *testing.T) {
	l, now := ledger.New(), time.Unix(0, 0)
	ended := ledger.Ask{UID: "ended", Key: "ns/ended", Server: "ns/s", Site: "ns/site"}
	beside := ledger.Ask{UID: "beside", Key: "ns2/beside", Server: "ns2/s", Site: "ns2/site"}
	l.Rebuild([]ledger.Ask{ended, beside})
	waits := ledger.Ask{UID: "waits", Key: "ns/waits", Server: "ns/s", Site: "ns/site", Limit: 1}
	l.Request(waits, now)
	begun := ledger.Ask{UID: "begun", Key: "ns/begun", Server: "ns/t", Site: "ns/site"}
	if lost := l.Recount("ns", []ledger.Ask{begun}); !slices.Equal(lost, []ledger.Key{"ns/waits"}) {
		t.Errorf("lost %v", lost)
	}
	if verdict := l.Request(waits, now); verdict.Admitted || verdict.Holds[0].Observed != "1" || verdict.Holds[0].Reason != v1alpha1.ReasonLimitReached {
		t.Errorf("%+v: the server is free, and the site is full with what began", verdict)
	}
	if woken := l.Release("begun", now); !slices.Equal(woken, []ledger.Key{"ns/waits"}) {
		t.Errorf("woke %v", woken)
	}
	if active, _ := l.Load("ns2/site"); active != 1 {
		t.Errorf("%d active in the namespace beside", active)
	}
}
