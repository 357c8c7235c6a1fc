package forecast_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/engine/plan/forecast"
	"stargate.io/stargate/policies/rules"
)

// policies of one rule each.
func policies(t testing.TB, sources ...rules.Rule) []ledger.Policy {
	t.Helper()
	var all []ledger.Policy
	for _, rule := range sources {
		policy, problems := rules.Compile(rules.Source{Name: rule.Name, Rules: []rules.Rule{rule}})
		if len(problems) > 0 {
			t.Fatalf("%s: %v", rule.Name, problems)
		}
		all = append(all, policy)
	}
	return all
}

func TestAWindowIsWaitedFor(t *testing.T) {
	in := site(3, 3, v1alpha1.Rollout{MaxUnavailable: most(3)})
	in.Policies = policies(t, rules.Rule{Name: "night", Expression: `now.inWindow("Mon-Fri 22:00-23:00", "UTC")`, Effect: rules.Hold})
	got := run(t, in)
	if !got.Complete || waves(got) != "rest:3 22:00-22:20" {
		t.Errorf("got %s, complete: %t", waves(got), got.Complete)
	}
	night := time.Date(2026, 3, 2, 22, 0, 0, 0, time.UTC)
	if !slices.ContainsFunc(got.Groups[0].Waves[0].HeldBy, func(h v1alpha1.Hold) bool {
		return h.Source == "Policy/night" && h.Until != nil && h.Until.Time.Equal(night)
	}) {
		t.Errorf("held by %v", got.Groups[0].Waves[0].HeldBy)
	}
}

func TestABudgetOfAPolicyIsKept(t *testing.T) {
	in := site(12, 12, v1alpha1.Rollout{MaxUnavailable: most(12)})
	in.Policies = policies(t, rules.Rule{Name: "racks", Expression: `fleet.unavailable({"rack": server.labels.rack}) < 1`, Effect: rules.Hold})
	got := run(t, in)
	// Four servers of each of three racks, one of each at a time.
	if !got.Complete || waves(got) != "rest:12 10:00-11:20" || got.Worst.Up != 9 {
		t.Errorf("got %s, complete: %t, worst %+v", waves(got), got.Complete, got.Worst)
	}
	for at, n := range map[time.Duration]int{0: 3, 20 * time.Minute: 3, 40 * time.Minute: 3, time.Hour: 3} {
		started := 0
		for _, s := range got.Starts {
			if s.At.Equal(start.Add(at)) {
				started++
			}
		}
		if started != n {
			t.Errorf("%d start after %s, want %d", started, at, n)
		}
	}
	if !slices.ContainsFunc(got.Groups[0].Waves[0].HeldBy, func(h v1alpha1.Hold) bool { return h.Source == "Policy/racks" && h.Limit == "1" }) {
		t.Errorf("held by %v", got.Groups[0].Waves[0].HeldBy)
	}
}

func TestWhatIsDeniedIsTold(t *testing.T) {
	in := site(4, 4, v1alpha1.Rollout{MaxUnavailable: most(1)})
	in.Servers[1].Labels["role"] = "db"
	in.Policies = policies(t, rules.Rule{Name: "pin-db", Expression: `!("role" in server.labels)`, Effect: rules.Deny, Message: "role=db stays"})
	got := run(t, in)
	if len(got.Denied) != 1 || got.Denied[0].Server != "server-000001" || got.Denied[0].Hold.Source != "Policy/pin-db" || got.Denied[0].Hold.Message != "role=db stays" {
		t.Fatalf("denied: %+v", got.Denied)
	}
	if len(got.Starts) != 3 {
		t.Errorf("%d of the others start", len(got.Starts))
	}
}

func TestPastFailuresCount(t *testing.T) {
	in := site(2, 2, v1alpha1.Rollout{MaxUnavailable: most(2)})
	ended := metav1.NewTime(start.Add(-40 * time.Minute))
	failed := &v1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: "failed", UID: "failed"},
		Spec:   v1alpha1.OperationSpec{Operation: v1alpha1.ActionRepave, ServerRef: v1alpha1.ServerReference{Name: "server-000000"}},
		Status: v1alpha1.OperationStatus{Phase: v1alpha1.OperationFailed, CompletionTime: &ended}}
	in.Operations = append(in.Operations, failed)
	in.Policies = policies(t, rules.Rule{Name: "line", Expression: `fleet.failed(duration("1h"), {"operation": "repave"}) < 1`, Effect: rules.Hold})
	if got := run(t, in); !got.Complete || waves(got) != "rest:2 10:20-10:40" {
		t.Errorf("got %s, complete: %t", waves(got), got.Complete)
	}
}

// twenty policies as a large fleet may have them.
func twenty(t testing.TB) []ledger.Policy {
	var sources []rules.Rule
	for i := range 10 {
		sources = append(sources, rules.Rule{Name: fmt.Sprintf("budget-%d", i), Effect: rules.Hold,
			Expression: fmt.Sprintf(`fleet.unavailable({"group": group.name}) < %d`, 1000+i)})
		sources = append(sources, rules.Rule{Name: fmt.Sprintf("text-%d", i), Effect: rules.Deny,
			Expression: fmt.Sprintf(`server.name != "server-%d" && profile.osVersion.startsWith("2") && operation.priority < 1000`, i)})
	}
	return policies(t, sources...)
}

// BenchmarkPolicies is a forecast of many servers under twenty policies, beside the bare evaluations that it
// needs: each policy once for each server.
func BenchmarkPolicies(b *testing.B) {
	const servers = 100_000
	in := site(servers, 1_000, v1alpha1.Rollout{MaxUnavailable: percent("10%")})
	in.Policies = twenty(b)
	b.Run("forecast", func(b *testing.B) {
		for b.Loop() {
			if t := forecast.Forecast(in); len(t.Starts) != servers {
				b.Fatalf("%d of %d servers started", len(t.Starts), servers)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		facts := ledger.FactsOf(&ledger.Subject{Operation: &v1alpha1.Operation{}, Server: in.Servers[0], Profile: in.Profiles[0], Group: in.Groups[0], Now: start})
		facts.Operation.Action = "repave"
		fleet := nothing{}
		for b.Loop() {
			for range servers {
				for _, policy := range in.Policies {
					policy.Evaluate(facts, fleet)
				}
			}
		}
	})
}

// nothing is a fleet in which nothing is to be counted.
type nothing struct{}

// Answer implements rules.Fleet.
func (nothing) Answer(rules.Question) rules.Answer { return rules.Answer{} }
