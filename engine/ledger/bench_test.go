package ledger_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/policies/rules"
)

var benchNow = time.Unix(1_800_000_000, 0)

// compiled is a policy of one rule.
func compiled(tb testing.TB, name, expression string) ledger.Policy {
	tb.Helper()
	policy, problems := rules.Compile(rules.Source{Name: name, Rules: []rules.Rule{{Name: "rule", Expression: expression, Effect: rules.Hold}}})
	if len(problems) > 0 {
		tb.Fatal(problems)
	}
	return policy
}

// fleetOf so many servers, in racks of twenty.
func fleetOf(tb testing.TB, servers int, policies ...ledger.Policy) *ledger.Ledger {
	tb.Helper()
	l := ledger.New()
	l.SetPolicies(policies)
	for n := range servers {
		l.Observe(machineOf(n), benchNow)
	}
	l.Rebuild(nil)
	return l
}

func machineOf(n int) ledger.Machine {
	return ledger.Machine{Key: ledger.Key(fmt.Sprintf("dc/server-%06d", n)), Datacenter: "dc", Up: true, Touched: true,
		Labels: map[string]string{"rack": fmt.Sprintf("r%05d", n/20), "role": "web"}}
}

func askOf(n int) ledger.Ask {
	m := machineOf(n)
	return ledger.Ask{UID: fmt.Sprintf("uid-%06d", n), Key: ledger.Key(fmt.Sprintf("dc/op-%06d", n)), Server: m.Key, Site: "dc/dc",
		Created: benchNow.Add(time.Duration(n)), Action: "repave", Disrupts: true,
		Facts: &rules.Facts{Operation: rules.Operation{Action: "repave", Namespace: "dc"}, Server: rules.Server{Namespace: "dc", Labels: m.Labels, State: "ready"},
			Datacenter: rules.Datacenter{Name: "dc"}}}
}

const perRack = `fleet.unavailable({"rack": server.labels.rack}) < 1`

// BenchmarkQuestion asks for a place and gives it back, under a rule that asks the fleet, in fleets of two
// sizes: what a question costs must not depend on it.
func BenchmarkQuestion(b *testing.B) {
	for _, servers := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(servers), func(b *testing.B) {
			l := fleetOf(b, servers, compiled(b, "per-rack", perRack))
			asks := make([]ledger.Ask, 200)
			for i := range asks {
				asks[i] = askOf(i * servers / len(asks))
			}
			for i := 0; b.Loop(); i++ {
				ask := asks[i%len(asks)]
				if !l.Request(ask, benchNow).Admitted {
					b.Fatal("held")
				}
				l.Release(ask.UID, benchNow)
			}
		})
	}
}

// BenchmarkFreedPlace gives back one place among so many Operations that wait for it.
func BenchmarkFreedPlace(b *testing.B) {
	for _, waiting := range []int{100, 10_000} {
		b.Run(fmt.Sprint(waiting), func(b *testing.B) {
			l := fleetOf(b, waiting+1, compiled(b, "ten", `fleet.active({"datacenter": datacenter.name}) < 10`))
			inPlace := waitInLine(b, l, waiting)
			for i := 0; b.Loop(); i++ {
				woken := l.Release(inPlace[0], benchNow)
				if len(woken) != 1 {
					b.Fatalf("%d were woken", len(woken))
				}
				// Who left comes back, last in line.
				again := askOf(number(b, inPlace[0]))
				again.Created = benchNow.Add(time.Hour + time.Duration(i))
				l.Request(again, benchNow)
				inPlace = append(inPlace[1:], "uid-"+string(woken[0][len("dc/op-"):]))
			}
		})
	}
}

func number(tb testing.TB, uid string) (n int) {
	tb.Helper()
	if _, err := fmt.Sscanf(uid, "uid-%d", &n); err != nil {
		tb.Fatal(err)
	}
	return n
}

// waitInLine has so many ask for ten places, and gives who has one.
func waitInLine(tb testing.TB, l *ledger.Ledger, waiting int) []string {
	tb.Helper()
	var inPlace []string
	for n := range waiting {
		if ask := askOf(n); l.Request(ask, benchNow).Admitted {
			inPlace = append(inPlace, ask.UID)
		}
	}
	if len(inPlace) != 10 {
		tb.Fatalf("%d have a place", len(inPlace))
	}
	return inPlace
}

// TestFreedPlaceWakesOne: among ten thousand that are held, who gets the place is the only one to be woken,
// and so the only one whose status is written.
func TestFreedPlaceWakesOne(t *testing.T) {
	l := fleetOf(t, 10_001, compiled(t, "ten", `fleet.active({"datacenter": datacenter.name}) < 10`), compiled(t, "per-rack", perRack))
	asked := map[ledger.Key]bool{}
	var inPlace []string
	for n := range 10_000 {
		ask := askOf(n)
		verdict := l.Request(ask, benchNow)
		if asked[ask.Key] = true; verdict.Admitted {
			inPlace = append(inPlace, ask.UID)
		}
		for _, key := range verdict.Wake {
			t.Fatalf("%s was woken by one who came after it", key)
		}
	}
	woken, admitted := 0, 0
	for len(inPlace) > 0 && admitted < 500 {
		keys := l.Release(inPlace[0], benchNow)
		inPlace = inPlace[1:]
		for _, key := range keys {
			woken++
			ask := askOf(number(t, "uid-"+string(key[len("dc/op-"):])))
			if l.Request(ask, benchNow).Admitted {
				admitted++
				inPlace = append(inPlace, ask.UID)
			}
		}
	}
	if admitted < 500 || woken > 2*admitted {
		t.Errorf("%d were woken for %d that got a place", woken, admitted)
	}
	t.Logf("%d were woken for %d places", woken, admitted)
}

// TestMemoryOfPolicies tells what a thousand policies cost.
func TestMemoryOfPolicies(t *testing.T) {
	heap := func() uint64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap()
	var policies []ledger.Policy
	for n := range 1_000 {
		policies = append(policies, compiled(t, fmt.Sprintf("policy-%04d", n), fmt.Sprintf(`%s || server.labels.role == "role-%d"`, perRack, n)))
	}
	l := ledger.New()
	l.SetPolicies(policies)
	l.Rebuild(nil)
	each := (heap() - before) / 1_000
	t.Logf("%d bytes for each of a thousand policies", each)
	if each > 1<<20 {
		t.Errorf("%d bytes for each policy", each)
	}
	runtime.KeepAlive(l)
}
