//go:build bench

package bench_test

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/engine/plan/forecast"
	"stargate.io/stargate/policies/rules"
	"stargate.io/stargate/test/bench"
)

var (
	planSize   = flag.Int("plan", 100000, "servers of the plan under policies")
	planRounds = flag.Int("plan-rounds", 4, "rounds of plan")
)

const (
	planBar = 1.5
	// racksAGroup so many that the tenth of a group that is out at once has no two of one.
	racksAGroup = 100
	// histories that a forecast plays through: the likely one, and the one in which all takes long. Each asks
	// every policy for every server, at other times.
	histories = 2
)

// TestPlan measures a forecast of servers that are all repaved, under 20 policies, over the bare evaluation
// of the policies that are about them, for each server once in each history.
func TestPlan(t *testing.T) {
	policies := library(t, 20)
	in := forecastInput(*planSize)
	in.Now = night
	for _, policy := range policies {
		in.Policies = append(in.Policies, policy)
	}
	facts := make([]*rules.Facts, len(in.Servers))
	for i, server := range in.Servers {
		labels := server.Labels
		labels["role"], labels["rack"] = "web", fmt.Sprintf("%s-%02d", labels["group"], i%racksAGroup)
		facts[i] = factsOf(server.Name, labels["group"], labels)
	}
	// A forecast leaves out what would only be told.
	enforced := slices.DeleteFunc(policies, (*rules.Policy).DryRun)
	matching := about([]ledger.Ask{{Facts: facts[0]}}, enforced)[0]
	ours := func() float64 {
		began := time.Now()
		timeline := forecast.Forecast(in)
		took := time.Since(began)
		if !timeline.Complete || len(timeline.Starts) != *planSize {
			t.Fatalf("%d of %d servers started; complete: %t", len(timeline.Starts), *planSize, timeline.Complete)
		}
		return float64(took.Nanoseconds()) / float64(*planSize)
	}
	peer := func() float64 {
		began := time.Now()
		for range histories {
			for _, each := range facts {
				for _, policy := range matching {
					policy.Bare(each, none{})
				}
			}
		}
		return float64(time.Since(began).Nanoseconds()) / float64(*planSize)
	}
	var rounds []bench.Round
	for i := range *planRounds {
		var round bench.Round
		if i%2 == 0 {
			round.Ours, round.Peer = 2*ours(), 2*peer()
		} else {
			round.Peer, round.Ours = 2*peer(), 2*ours()
		}
		t.Logf("round %d: %.1f µs a server, %.1f µs bare", i, round.Ours/2000, round.Peer/2000)
		rounds = append(rounds, round)
	}
	addCost(t, "plan", planBar, rounds, fmt.Sprintf("a server of %d, under 20 policies of which %d are about it", *planSize, len(matching)))
}
