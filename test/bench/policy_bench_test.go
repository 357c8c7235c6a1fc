//go:build bench

package bench_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/policies/rules"
	"stargate.io/stargate/test/bench"
)

const (
	// gateBar and questionBar of what gating costs, and of what it costs more in a fleet of a hundred times
	// the size.
	gateBar     = 1.5
	questionBar = 1.2
	// policyBar is how many KiB one policy may hold.
	policyBar = 256
	// gated Operations a half of a round, and the racks of the fleets.
	gated, racks = 2000, 40
)

// night, when the windows of the library are open: what is measured is what passes.
var night = time.Date(2026, 3, 3, 23, 30, 0, 0, time.UTC)

// library gives n policies: those of fleet-example, again and again under other names.
func library(t *testing.T, n int) []*rules.Policy {
	t.Helper()
	files, err := filepath.Glob("../../fleet-example/policies/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d policies in fleet-example, %v", len(files), err)
	}
	var all []*rules.Policy
	for i := range n {
		text, err := os.ReadFile(files[i%len(files)])
		if err != nil {
			t.Fatal(err)
		}
		var policy v1alpha1.Policy
		if err := yaml.UnmarshalStrict(text, &policy); err != nil {
			t.Fatal(err)
		}
		policy.Name = fmt.Sprintf("%s-%04d", policy.Name, i)
		source, err := tree.PolicySource(&policy)
		if err != nil {
			t.Fatal(err)
		}
		compiled, problems := rules.Compile(source)
		if len(problems) > 0 {
			t.Fatalf("%s: %v", policy.Name, problems)
		}
		all = append(all, compiled)
	}
	return all
}

// fleetOf n servers that are up, with the wish to repave each of the first.
func fleetOf(n, wishes int, policies []*rules.Policy) (*ledger.Ledger, []ledger.Ask) {
	l := ledger.New()
	l.Rebuild(nil)
	var asked []ledger.Policy
	for _, policy := range policies {
		asked = append(asked, policy)
	}
	l.SetPolicies(asked)
	var asks []ledger.Ask
	for i := range n {
		name := fmt.Sprintf("server-%06d", i)
		labels := map[string]string{"role": "web", "rack": fmt.Sprintf("r%02d", i%racks)}
		group := fmt.Sprintf("group-%03d", i%100)
		l.Observe(ledger.Machine{Key: ledger.Key("dc/" + name), Labels: labels, Datacenter: "dc", Group: group, Up: true, Touched: true}, night)
		if i < wishes {
			asks = append(asks, ledger.Ask{UID: name, Key: ledger.Key("dc/repave-" + name), Server: ledger.Key("dc/" + name), Site: "dc/dc",
				Created: night, Action: "repave", Disrupts: true, Facts: factsOf(name, group, labels)})
		}
	}
	return l, asks
}

// factsOf the Operation of a rollout that every policy of the library lets pass.
func factsOf(server, group string, labels map[string]string) *rules.Facts {
	return &rules.Facts{Now: night,
		Operation: rules.Operation{Name: "repave-" + server, Namespace: "dc", UID: server, Action: "repave", Created: night, Disruptive: true,
			ExpectedDuration: 20 * time.Minute},
		Server: rules.Server{Name: server, Namespace: "dc", Labels: labels, State: "ready", OS: "1", Profile: "web", Touched: true,
			LastRepaved: night.Add(-30 * 24 * time.Hour)},
		Profile: rules.Profile{Name: "web", OSVersion: "2"}, Group: rules.Group{Name: group, Wave: "rest"},
		Datacenter: rules.Datacenter{Name: "dc", Namespace: "dc", Driver: "dcapi"},
		Requester:  rules.Requester{Username: "controller", Stamped: true},
		Source:     rules.Origin{Fleet: "prod", Commit: strings.Repeat("0", 40), Author: "Ann", SignedBy: "Ann", Stamped: true}}
}

// gate admits each of the Operations and gives its place back, and tells the nanoseconds of one.
func gate(t *testing.T, l *ledger.Ledger, asks []ledger.Ask) float64 {
	t.Helper()
	began := time.Now()
	for i := range gated {
		ask := asks[i%len(asks)]
		if verdict := l.Request(ask, night); !verdict.Admitted {
			t.Fatalf("not admitted: %+v", verdict.Holds)
		}
		l.Release(ask.UID, night)
	}
	return float64(time.Since(began).Nanoseconds()) / gated
}

// none answers every question with nothing, so that the bare evaluation is that of the programs alone.
type none struct{}

// Answer implements rules.Fleet.
func (none) Answer(rules.Question) rules.Answer { return rules.Answer{} }

// bare runs the programs of those policies that are about each Operation, and tells the nanoseconds of
// one Operation.
func bare(about [][]*rules.Policy, asks []ledger.Ask) float64 {
	began := time.Now()
	for i := range gated {
		for _, policy := range about[i%len(asks)] {
			policy.Bare(asks[i%len(asks)].Facts, none{})
		}
	}
	return float64(time.Since(began).Nanoseconds()) / gated
}

// about gives, for each Operation, the policies that match it.
func about(asks []ledger.Ask, policies []*rules.Policy) [][]*rules.Policy {
	all := make([][]*rules.Policy, len(asks))
	for i := range asks {
		for _, policy := range policies {
			if policy.Match(asks[i].Facts) {
				all[i] = append(all[i], policy)
			}
		}
	}
	return all
}

// TestGate measures what an admission under twenty policies costs, the release of its place included,
// over the bare evaluation of the same programs.
func TestGate(t *testing.T) {
	policies := library(t, 20)
	l, asks := fleetOf(1000, 1000, policies)
	matching := about(asks, policies)
	gate(t, l, asks)
	bare(matching, asks)
	var rounds []bench.Round
	for range *roundCount {
		a, b, c, d := gate(t, l, asks), bare(matching, asks), bare(matching, asks), gate(t, l, asks)
		rounds = append(rounds, bench.Round{Ours: a + d, Peer: b + c})
	}
	addCost(t, "gate", gateBar, rounds, fmt.Sprintf("an admission under 20 policies, %d of which are about it, and the release of its place", len(matching[0])))
}

// TestQuestionGrowth measures what an admission under a budget costs in a fleet of 100,000 servers, over
// one of 1,000.
func TestQuestionGrowth(t *testing.T) {
	budgets := library(t, 20)
	small, few := fleetOf(1000, 1000, budgets)
	large, many := fleetOf(100_000, 1000, budgets)
	gate(t, small, few)
	gate(t, large, many)
	var rounds []bench.Round
	for range *roundCount {
		a, b, c, d := gate(t, large, many), gate(t, small, few), gate(t, small, few), gate(t, large, many)
		rounds = append(rounds, bench.Round{Ours: a + d, Peer: b + c})
	}
	addCost(t, "question-growth", questionBar, rounds, "an admission under 20 policies and the release of its place")
}

// TestPolicyMemory tells what a thousand compiled policies hold.
func TestPolicyMemory(t *testing.T) {
	const count = 1000
	library(t, 20)
	before := live()
	policies := library(t, count)
	held := (live() - before) / 1024 / count
	kept = policies
	note := fmt.Sprintf("KiB a policy; %d policies hold %.0f MiB", count, held*count/1024)
	t.Log(note)
	add(bench.Row{Name: "policy-memory", Value: held, Low: held, High: held, Bar: policyBar, Better: "lower", Note: note})
	kept = nil
}

// addCost adds a row of rounds of nanoseconds: the more the peer took, the busier the machine was.
func addCost(t *testing.T, name string, bar float64, rounds []bench.Round, what string) {
	t.Helper()
	var ratios []float64
	best := rounds[0].Peer
	for _, round := range rounds {
		best = min(best, round.Peer)
	}
	var ours, peers []float64
	for _, round := range rounds {
		if round.Peer > 2*best {
			continue // the machine was busy with something else
		}
		ratios, ours, peers = append(ratios, round.Ours/round.Peer), append(ours, round.Ours/2), append(peers, round.Peer/2)
	}
	median, low, high := bench.Interval(ratios)
	note := fmt.Sprintf("%s: %.1f µs against %.1f µs; %d of %d rounds", what, bench.Median(ours)/1000, bench.Median(peers)/1000, len(ratios), len(rounds))
	t.Log(note)
	add(bench.Row{Name: name, Value: median, Low: low, High: high, Bar: bar, Better: "lower", Note: note})
}
