package rules_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"stargate.io/stargate/policies/rules"
)

// twenty policies of the kinds that people write.
func twenty(tb testing.TB) []*rules.Policy {
	tb.Helper()
	expressions := []string{
		`fleet.unavailable({"rack": server.labels.rack, "datacenter": datacenter.name}) < 2`,
		`fleet.unavailable({"datacenter": datacenter.name}) * 10 < fleet.total({"datacenter": datacenter.name})`,
		`fleet.failed(duration("1h"), {"group": group.name}) < 3`,
		`now.inWindow("Mon-Sun 00:00-23:00", "Europe/Oslo") || operation.priority > 100`,
		`!now.inFreeze("2026-12-20", "2027-01-05", "Europe/Oslo")`,
		`now.past(server.lastRepaved + duration("24h"))`,
		`source.signedBy != "" || operation.adHoc`,
		`!(server.sku.startsWith("gpu-")) || operation.approvals.size() >= 2`,
		`requester.groups.exists(g, g == "sre") || requester.username.startsWith("system:")`,
		`server.labels[?"role"].orValue("") != "db" || profile.osVersion.startsWith("2.")`,
	}
	var all []*rules.Policy
	for i := range 20 {
		p, problems := rules.Compile(rules.Source{Name: fmt.Sprintf("p%d", i), Rules: []rules.Rule{{Name: "r", Expression: expressions[i%len(expressions)], Effect: rules.Hold}}})
		if len(problems) > 0 {
			tb.Fatal(problems)
		}
		all = append(all, p)
	}
	return all
}

func ordinary() *rules.Facts {
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	return &rules.Facts{
		Operation:  rules.Operation{Name: "repave-server-001", Action: "repave", Created: now, ExpectedDuration: 20 * time.Minute},
		Server:     rules.Server{Name: "server-001", Labels: map[string]string{"rack": "r1"}, SKU: "std-1", LastRepaved: now.Add(-100 * time.Hour)},
		Profile:    rules.Profile{OSVersion: "2.1.0"},
		Group:      rules.Group{Name: "web"},
		Datacenter: rules.Datacenter{Name: "west"},
		Requester:  rules.Requester{Username: "system:serviceaccount:stargate", Stamped: true},
		Source:     rules.Origin{SignedBy: "alice", Stamped: true},
		Now:        now,
	}
}

// constant answers of a fleet.
type constant struct{}

func (constant) Answer(q rules.Question) rules.Answer {
	if q.Kind == rules.Total {
		return rules.Answer{Count: 1000}
	}
	return rules.Answer{Count: 1}
}

// BenchmarkEvaluate20 judges one Operation by twenty policies; bare is the evaluation of the same
// programs, without what is around them. The two are what the row "gate" compares.
func BenchmarkEvaluate20(b *testing.B) {
	policies, facts := twenty(b), ordinary()
	b.Run("policies", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, p := range policies {
				if len(p.Evaluate(facts, constant{}).Findings) > 0 {
					b.Fatalf("%s holds", p.Name())
				}
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, p := range policies {
				p.Bare(facts, constant{})
			}
		}
	})
}

// BenchmarkForesee looks for what releases a rule that holds.
func BenchmarkForesee(b *testing.B) {
	p := twenty(b)[0]
	facts := ordinary()
	fleet := counts{"unavailable{datacenter=west,rack=r1}": 4}
	finding := p.Evaluate(facts, fleet).Findings[0]
	for b.Loop() {
		if f := p.Foresee(facts, fleet, finding); len(f.Releases) != 1 {
			b.Fatal("nothing releases it")
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	s := rules.Source{
		Name: "p", Variables: []rules.Expression{{Name: "rack", Expression: "server.labels.rack"}},
		Rules: []rules.Rule{{Name: "r", Expression: `fleet.unavailable({"rack": variables.rack}) < 2`, Effect: rules.Hold}},
	}
	for b.Loop() {
		if _, problems := rules.Compile(s); len(problems) > 0 {
			b.Fatal(problems)
		}
	}
}

// BenchmarkMemory1000 reports what a thousand compiled policies with a variable keep.
func BenchmarkMemory1000(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		kept := make([]*rules.Policy, 1000)
		for i := range kept {
			kept[i], _ = rules.Compile(rules.Source{
				Name: fmt.Sprint(i), Variables: []rules.Expression{{Name: "rack", Expression: "server.labels.rack"}},
				Rules: []rules.Rule{{Name: "r", Expression: `fleet.unavailable({"rack": variables.rack}) < 2`, Effect: rules.Hold}},
			})
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1000, "B/policy")
		runtime.KeepAlive(kept)
	}
}
