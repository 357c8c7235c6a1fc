package rules_test

import (
	"testing"
	"time"

	"stargate.io/stargate/policies/rules"
)

// counts are the answers of a fleet by "kind keys values", with the values joined by commas.
type counts map[string]int64

func (c counts) Answer(q rules.Question) rules.Answer {
	count, known := c[q.String()]
	return rules.Answer{Count: count, Unknown: !known}
}

func TestVariablesAreComputedOnceAndTellWhatTheyAsked(t *testing.T) {
	p, problems := rules.Compile(rules.Source{
		Name: "per-rack",
		Variables: []rules.Expression{
			{Name: "rack", Expression: "server.labels.rack"},
			{Name: "down", Expression: `fleet.unavailable({"rack": variables.rack, "datacenter": datacenter.name})`},
		},
		Rules: []rules.Rule{
			{Name: "one", Expression: `variables.down < 1`, Effect: rules.Hold},
			{Name: "two", Expression: `variables.down + 1 < 2`, Effect: rules.Deny},
		},
	})
	if len(problems) > 0 {
		t.Fatalf("it does not compile: %v", problems)
	}
	facts := &rules.Facts{
		Server: rules.Server{Labels: map[string]string{"rack": "r1"}}, Datacenter: rules.Datacenter{Name: "west"},
		Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	fleet := &asked{of: counts{"unavailable{datacenter=west,rack=r1}": 1}}
	result := p.Evaluate(facts, fleet)
	if len(result.Findings) != 2 || fleet.times != 1 {
		t.Fatalf("one question, two findings; got %d questions and %+v", fleet.times, result)
	}
	for _, f := range result.Findings {
		if len(f.Asked) != 1 || f.Asked[0].Answer.Count != 1 || f.Asked[0].Question.String() != "unavailable{datacenter=west,rack=r1}" {
			t.Errorf("%s asked %+v", f.Rule, f.Asked)
		}
	}
}

type asked struct {
	of    rules.Fleet
	times int
}

func (a *asked) Answer(q rules.Question) rules.Answer {
	a.times++
	return a.of.Answer(q)
}

func TestWhatIsNotVouchedForHolds(t *testing.T) {
	p, problems := rules.Compile(rules.Source{Name: "people", Rules: []rules.Rule{
		{Name: "not-mallory", Expression: `requester.username != "mallory" || true`, Effect: rules.Deny},
		{Name: "any", Expression: `has(source.signedBy)`, Effect: rules.Warn},
		{Name: "unasked", Expression: `true || requester.username == "bob"`, Effect: rules.Deny},
	}})
	if len(problems) > 0 {
		t.Fatalf("it does not compile: %v", problems)
	}
	result := p.Evaluate(&rules.Facts{}, counts{})
	if len(result.Findings) != 2 {
		t.Fatalf("got %+v", result.Findings)
	}
	for _, f := range result.Findings {
		if f.Reason != rules.ReasonUnstamped || f.Effect != rules.Hold {
			t.Errorf("%s: %s %s, want a hold for what is not stamped", f.Rule, f.Effect, f.Reason)
		}
	}
	stamped := &rules.Facts{Requester: rules.Requester{Stamped: true}, Source: rules.Origin{Stamped: true}}
	if result := p.Evaluate(stamped, counts{}); len(result.Findings) != 0 {
		t.Errorf("stamped, it still finds %+v", result.Findings)
	}
}

func TestForeseeFindsTheLeastChange(t *testing.T) {
	p, problems := rules.Compile(rules.Source{Name: "budget", Rules: []rules.Rule{
		{Name: "few", Expression: `fleet.unavailable({}) < 3 || operation.approvals.size() >= 2`, Effect: rules.Hold},
		{Name: "both", Expression: `fleet.unavailable({}) < 5 && fleet.active({}) < 2`, Effect: rules.Hold},
	}})
	if len(problems) > 0 {
		t.Fatalf("it does not compile: %v", problems)
	}
	facts, fleet := &rules.Facts{}, counts{"unavailable{}": 7, "active{}": 4}
	result := p.Evaluate(facts, fleet)
	few := p.Foresee(facts, fleet, result.Findings[0])
	if len(few.Releases) != 2 || few.Releases[0].Count != 2 || few.Releases[1].Approvals != 2 {
		t.Errorf("few is released by %+v", few.Releases)
	}
	both := p.Foresee(facts, fleet, result.Findings[1])
	if len(both.Releases) != 0 || len(both.Together) != 2 {
		t.Errorf("both is released by %+v, together %+v", both.Releases, both.Together)
	}
}
