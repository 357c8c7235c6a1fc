package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stargate.io/stargate/engine/ledger"
)

// TestAgainstTwin does the same at random to the ledger and to a naive twin, which looks through
// everybody each time. The same Operations have a place afterwards, and the same ones are told.
func TestAgainstTwin(t *testing.T) { rapid.Check(t, compare) }

// FuzzLedger lets the fuzzer choose what is done.
func FuzzLedger(f *testing.F) { f.Fuzz(rapid.MakeFuzz(compare)) }

func compare(t *rapid.T) {
	real, naive := ledger.New(), newTwin()
	real.Rebuild(nil)
	var story []string
	for range rapid.IntRange(1, 60).Draw(t, "length") {
		step := anyStep(t, naive)
		story = append(story, step.name)
		got, want := step.do(real), step.twin(naive)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("%q: told %v, the twin %v", story, got, want)
		}
		if err := naive.holds(); err != nil {
			t.Fatalf("%q: %v", story, err)
		}
		for site := range 2 {
			key := siteKey(site)
			active, waiting := real.Load(key)
			if wantActive, wantWaiting := naive.load(key); active != wantActive || waiting != wantWaiting {
				t.Fatalf("%q: %s has %d active and %d waiting, the twin %d and %d", story, key, active, waiting, wantActive, wantWaiting)
			}
		}
	}
	empty(t, real, naive)
}

// empty releases everybody, and shows that nothing is left of them.
func empty(t *rapid.T, real *ledger.Ledger, naive *twin) {
	for uid := range naive.entries {
		real.Release(uid)
	}
	for site := range 2 {
		if active, waiting := real.Load(siteKey(site)); active != 0 || waiting != 0 {
			t.Fatalf("%d active and %d waiting after everybody was released", active, waiting)
		}
	}
	if servers, sites := real.Rooms(); servers != 0 || sites != 0 {
		t.Fatalf("%d servers and %d sites are remembered after everybody was released", servers, sites)
	}
}

// step is one thing done to both. It gives who is told, and, for a Request, the asker if admitted.
type step struct {
	name string
	do   func(*ledger.Ledger) []ledger.Key
	twin func(*twin) []ledger.Key
}

func siteKey(n int) ledger.Key { return ledger.Key(fmt.Sprintf("ns/site-%d", n)) }

// anyAsk is a wish of one of a few Operations. What it is for never changes, its priority and its
// site's limit may.
func anyAsk(t *rapid.T, limit int) ledger.Ask {
	n := rapid.IntRange(0, 11).Draw(t, "operation")
	site := n % 2
	return ledger.Ask{
		UID: fmt.Sprintf("uid-%02d", n), Key: ledger.Key(fmt.Sprintf("ns/op-%02d", n)),
		Server: ledger.Key(fmt.Sprintf("ns/server-%d-%d", site, n%6/2)), Site: siteKey(site), Limit: limit,
		Priority: rapid.Int32Range(0, 2).Draw(t, "priority"),
		Created:  time.Unix(int64(n*7%5), 0),
	}
}

func anyStep(t *rapid.T, naive *twin) step {
	limit := rapid.SampledFrom([]int{0, 1, 1, 2, 2, 3}).Draw(t, "limit")
	ask := anyAsk(t, limit)
	switch rapid.IntRange(0, 9).Draw(t, "what") {
	case 0, 1, 2, 3, 4:
		return step{fmt.Sprintf("request %s priority %d limit %d", ask.UID, ask.Priority, limit),
			func(l *ledger.Ledger) []ledger.Key {
				verdict := l.Request(ask)
				if verdict.Admitted {
					return append(slices.Clone(verdict.Wake), ask.Key)
				}
				return verdict.Wake
			},
			func(n *twin) []ledger.Key { return n.request(ask) }}
	case 5:
		return step{"occupy " + ask.UID,
			func(l *ledger.Ledger) []ledger.Key { l.Occupy(ask); return nil },
			func(n *twin) []ledger.Key { n.occupy(ask); return nil }}
	}
	uid := ask.UID
	if len(naive.entries) > 0 && rapid.IntRange(0, 3).Draw(t, "known") > 0 {
		uid = rapid.SampledFrom(naive.uids()).Draw(t, "uid")
	}
	return step{"release " + uid,
		func(l *ledger.Ledger) []ledger.Key { return l.Release(uid) },
		func(n *twin) []ledger.Key { return n.release(uid) }}
}

func TestNothingIsAdmittedBeforeTheCount(t *testing.T) {
	l := ledger.New()
	ask := ledger.Ask{UID: "a", Key: "ns/a", Server: "ns/s", Site: "ns/site"}
	if l.Request(ask).Admitted {
		t.Error("admitted before Rebuild")
	}
	l.Rebuild([]ledger.Ask{{UID: "b", Key: "ns/b", Server: "ns/s", Site: "ns/site"}})
	if verdict := l.Request(ask); verdict.Admitted || verdict.BusyWith != "ns/b" {
		t.Errorf("%+v on a server that is busy since before", verdict)
	}
	if woken := l.Release("b"); !slices.Equal(woken, []ledger.Key{"ns/a"}) {
		t.Errorf("woke %v", woken)
	}
}

// TestMovedServer: a Server is given to another datacenter while two wait for it. Neither waits on
// where there is room.
func TestMovedServer(t *testing.T) {
	l := ledger.New()
	l.Rebuild([]ledger.Ask{{UID: "busy", Key: "ns/busy", Server: "ns/s", Site: "ns/full"}, {UID: "other", Key: "ns/other", Server: "ns/o", Site: "ns/full"}})
	for _, uid := range []string{"a", "b"} {
		l.Request(ledger.Ask{UID: uid, Key: ledger.Key("ns/" + uid), Server: "ns/s", Site: "ns/full", Limit: 1})
	}
	l.Release("busy")
	if verdict := l.Request(ledger.Ask{UID: "b", Key: "ns/b", Server: "ns/s", Site: "ns/roomy", Limit: 1}); !verdict.Admitted {
		t.Errorf("%+v: the server is free, and the site it was moved to has room", verdict)
	}
}

// TestRecount: a namespace was somebody else's for a while. What ended there meanwhile has no place
// any more, what began there has one, and who waited asks again.
func TestRecount(t *testing.T) {
	l := ledger.New()
	ended := ledger.Ask{UID: "ended", Key: "ns/ended", Server: "ns/s", Site: "ns/site"}
	beside := ledger.Ask{UID: "beside", Key: "ns2/beside", Server: "ns2/s", Site: "ns2/site"}
	l.Rebuild([]ledger.Ask{ended, beside})
	waits := ledger.Ask{UID: "waits", Key: "ns/waits", Server: "ns/s", Site: "ns/site", Limit: 1}
	l.Request(waits)
	begun := ledger.Ask{UID: "begun", Key: "ns/begun", Server: "ns/t", Site: "ns/site"}
	if lost := l.Recount("ns", []ledger.Ask{begun}); !slices.Equal(lost, []ledger.Key{"ns/waits"}) {
		t.Errorf("lost %v", lost)
	}
	if verdict := l.Request(waits); verdict.Admitted || verdict.BusyWith != "" || verdict.Active != 1 {
		t.Errorf("%+v: the server is free, and the site is full with what began", verdict)
	}
	if woken := l.Release("begun"); !slices.Equal(woken, []ledger.Key{"ns/waits"}) {
		t.Errorf("woke %v", woken)
	}
	if active, _ := l.Load("ns2/site"); active != 1 {
		t.Errorf("%d active in the namespace beside", active)
	}
}
