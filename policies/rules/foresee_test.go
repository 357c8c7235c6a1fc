package rules_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stargate.io/stargate/policies/rules"
)

// corpus of rules whose releases are checked, each a policy of its own.
var corpus = []rules.Source{
	one(`fleet.unavailable({"rack": server.labels.rack}) < 2`),
	one(`fleet.unavailable({}) * 10 <= fleet.total({})`),
	one(`fleet.unavailable({"rack": server.labels.rack}) < 1 && fleet.unavailable({}) < 5`),
	one(`fleet.active({}) < 3 && fleet.unavailable({}) < 4`),
	one(`fleet.active({"operation": operation.action}) < 3 || operation.approvals.size() >= 2`),
	one(`fleet.active({}) < 3 && operation.approvals.size() >= 2`),
	one(`fleet.total({"group": group.name}) >= 3`),
	one(`fleet.active({}) % 4 == 0`),
	one(`fleet.failed(duration("1h"), {}) < 3`),
	one(`fleet.failed(duration("1h"), {}) < 2 && fleet.failed(duration("6h"), {}) < 4`),
	one(`fleet.failed(duration("1h"), {}) == 1 || fleet.active({}) == 0`),
	one(`now.inWindow("Sat-Sun 02:00-06:00; Wed 22:00-01:30", "Europe/Oslo")`),
	one(`now.inWindow("02:00-05:00", "America/New_York", operation.expectedDuration)`),
	one(`!now.inWindow("Mon-Fri 08:00-16:30", "Australia/Lord_Howe") || fleet.active({}) < 1`),
	one(`now.inWindow("Tue,Thu", "Asia/Kathmandu") && fleet.unavailable({}) < 3`),
	one(`now.inCron("30 2 * * *", duration("90m"), "Europe/Dublin")`),
	one(`now.inCron("0 */6 * * 1-5", duration("2h"), "UTC", operation.expectedDuration) || operation.priority > 100`),
	one(`!now.inFreeze("2026-03-01", "2026-08-15", "Europe/Oslo")`),
	one(`!now.inFreeze(operation.created, operation.created + duration("5h"))`),
	one(`now.past(server.lastRepaved + duration("24h"))`),
	one(`now.past(server.lastRepaved + duration("24h")) && now.inWindow("10:00-12:00", "UTC")`),
	one(`now.past(server.lastRepaved + duration("24h")) ? fleet.active({}) < 5 : fleet.active({}) < 2`),
	one(`operation.approvals.size() >= 3`),
	one(`operation.approvals.exists(a, a == "alice")`),
	one(`operation.approvals.filter(a, a != requester.username).size() > 1 || now.inWindow("Sun", "UTC")`),
	one(`server.name == "another"`),
	{Name: "variables", Variables: []rules.Expression{
		{Name: "down", Expression: `fleet.unavailable({"rack": server.labels.rack})`},
		{Name: "budget", Expression: `math.greatest(1, fleet.total({"rack": server.labels.rack}) / 5)`},
	}, Rules: []rules.Rule{{Name: "r", Expression: `variables.down < variables.budget`, Effect: rules.Hold}}},
	{Name: "conditions", MatchConditions: []rules.Expression{
		{Name: "hours", Expression: `now.inWindow("Mon-Fri 08:00-16:00", "Europe/Oslo")`},
		{Name: "busy", Expression: `fleet.active({}) > 2`},
	}, Rules: []rules.Rule{{Name: "r", Expression: `fleet.unavailable({}) == 0`, Effect: rules.Hold}}},
}

func one(expression string) rules.Source {
	return rules.Source{Name: expression, Rules: []rules.Rule{{Name: "r", Expression: expression, Effect: rules.Hold}}}
}

// estate is a fleet at a time. It knows what the clock will do to failures.
type estate struct {
	now      time.Time
	counts   map[string]int64
	failures []time.Time
	// other answers, by question.
	other map[string]int64
}

func (e estate) Answer(q rules.Question) rules.Answer { return e.AnswerAt(q, e.now) }

func (e estate) AnswerAt(q rules.Question, at time.Time) rules.Answer {
	if count, ok := e.other[q.String()]; ok {
		return rules.Answer{Count: count}
	}
	if q.Kind != rules.Failed {
		return rules.Answer{Count: e.counts[string(q.Kind)+q.Keys]}
	}
	var a rules.Answer
	for _, f := range e.failures {
		if grown := f.Add(q.Within); at.Before(grown) {
			if a.Count++; a.Changes.IsZero() || grown.Before(a.Changes) {
				a.Changes = grown
			}
		}
	}
	return a
}

// a state of everything that may change.
type state struct {
	facts  rules.Facts
	estate estate
}

func (s state) at(t time.Time) state {
	s.facts.Now, s.estate.now = t, t
	return s
}

func (s state) with(q rules.Question, count int64) state {
	other := map[string]int64{q.String(): count}
	for k, v := range s.estate.other {
		if k != q.String() {
			other[k] = v
		}
	}
	s.estate.other = other
	return s
}

func (s state) approved(n int) state {
	s.facts.Operation.Approvals = slices.Clone(s.facts.Operation.Approvals)
	for i := range n {
		s.facts.Operation.Approvals = append(s.facts.Operation.Approvals, fmt.Sprintf("user-%d", i))
	}
	return s
}

func (s state) after(r rules.Release) state {
	switch {
	case !r.At.IsZero():
		return s.at(r.At)
	case r.Question != nil:
		return s.with(*r.Question, r.Count)
	}
	return s.approved(r.Approvals)
}

func (s state) violates(p *rules.Policy) bool {
	return len(p.Evaluate(&s.facts, s.estate).Findings) > 0
}

func drawState(t *rapid.T) state {
	s := state{estate: estate{counts: map[string]int64{}}}
	// Rapid likes what is near to zero: it is spread over the year.
	minutes := rapid.Uint64().Draw(t, "now") * 0x9e3779b97f4a7c15 >> 1 % (400 * 24 * 60)
	s.facts.Now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(minutes) * time.Minute)
	s.estate.now = s.facts.Now
	ago := func(name string, most int) time.Time {
		return s.facts.Now.Add(-time.Duration(rapid.IntRange(0, most).Draw(t, name)) * time.Minute)
	}
	for _, q := range []string{"unavailablerack", "unavailable", "active", "activeoperation"} {
		s.estate.counts[q] = int64(rapid.IntRange(0, 9).Draw(t, q))
	}
	s.estate.counts["total"] = int64(rapid.IntRange(0, 100).Draw(t, "total"))
	s.estate.counts["totalrack"] = int64(rapid.IntRange(0, 30).Draw(t, "totalrack"))
	s.estate.counts["totalgroup"] = int64(rapid.IntRange(0, 5).Draw(t, "totalgroup"))
	for range rapid.IntRange(0, 5).Draw(t, "failures") {
		s.estate.failures = append(s.estate.failures, ago("failed", 8*60))
	}
	s.facts.Server = rules.Server{Name: "server-001", Labels: map[string]string{"rack": "r1"}, LastRepaved: ago("repaved", 48*60)}
	s.facts.Operation = rules.Operation{
		Action: "repave", Created: ago("created", 8*60), Priority: int64(rapid.SampledFrom([]int{0, 0, 0, 101}).Draw(t, "priority")),
		ExpectedDuration: time.Duration(rapid.IntRange(0, 150).Draw(t, "takes")) * time.Minute,
	}
	s.facts.Operation.Approvals = rapid.SampledFrom([][]string{nil, {"bob"}, {"bob", "carol"}, {"alice"}}).Draw(t, "approvals")
	s.facts.Requester = rules.Requester{Username: "mallory", Stamped: true}
	s.facts.Group = rules.Group{Name: "web"}
	return s
}

// TestWhatReleasesDoesAndNothingLess draws snapshots until a thousand of them are held by each the rule
// that was drawn with it: what Foresee says would release it does, and each smaller change of the kind
// does not.
func TestWhatReleasesDoesAndNothingLess(t *testing.T) {
	policies := make([]*rules.Policy, len(corpus))
	for i, s := range corpus {
		p, problems := rules.Compile(s)
		if len(problems) > 0 {
			t.Fatalf("%s does not compile: %v", s.Name, problems)
		}
		policies[i] = p
	}
	held, released := map[string]int{}, map[string]int{}
	for held["all"] < 1000 {
		rapid.Check(t, func(t *rapid.T) {
			s := drawState(t)
			p := policies[rapid.IntRange(0, len(policies)-1).Draw(t, "policy")]
			result := p.Evaluate(&s.facts, s.estate)
			if len(result.Findings) == 0 {
				return
			}
			held["all"]++
			held[p.Name()]++
			f := p.Foresee(&s.facts, s.estate, result.Findings[0])
			for _, r := range f.Releases {
				released[p.Name()]++
				exact(t, p, s, r)
			}
			if len(f.Together) == 2 {
				released[p.Name()]++
				pair(t, p, s, f.Together)
			}
			if len(f.Releases) == 0 {
				nothingAlone(t, p, s, f)
			}
		})
	}
	for _, p := range policies {
		if held[p.Name()] == 0 {
			t.Errorf("%s never held", p.Name())
		}
		if released[p.Name()] == 0 && p.Name() != `server.name == "another"` && p.Name() != `operation.approvals.exists(a, a == "alice")` {
			t.Errorf("nothing was ever found to release %s", p.Name())
		}
	}
	t.Logf("%d snapshots were held", held["all"])
}

// exact: the change releases, and no smaller one of its kind.
func exact(t *rapid.T, p *rules.Policy, s state, r rules.Release) {
	if s.after(r).violates(p) {
		t.Fatalf("%s: said to be released by %q, and it is not", p.Name(), r.Text)
	}
	less := func(then state, what any) {
		if !then.violates(p) {
			t.Fatalf("%s: said to be released by %q, and %v is enough", p.Name(), r.Text, what)
		}
	}
	switch {
	case !r.At.IsZero():
		step := max(r.At.Sub(s.facts.Now)/2000, time.Minute).Truncate(time.Minute)
		for at := s.facts.Now; at.Before(r.At); at = at.Add(step) {
			less(s.at(at), at)
		}
		less(s.at(r.At.Add(-1)), "the moment before")
	case r.Question != nil:
		count := s.estate.Answer(*r.Question).Count
		for n := count; n != r.Count; {
			less(s.with(*r.Question, n), n)
			if n < r.Count {
				n++
			} else {
				n--
			}
		}
	default:
		for n := range r.Approvals {
			less(s.approved(n), n)
		}
	}
}

// pair: both release, and neither alone.
func pair(t *rapid.T, p *rules.Policy, s state, both []rules.Release) {
	if s.after(both[0]).after(both[1]).violates(p) {
		t.Fatalf("%s: said to be released by %q with %q, and it is not", p.Name(), both[0].Text, both[1].Text)
	}
	for _, r := range both {
		if !s.after(r).violates(p) {
			t.Fatalf("%s: said to be released only by two changes, and %q is enough", p.Name(), r.Text)
		}
	}
	// Each is the least beside the other.
	exact(t, p, s.after(both[1]), both[0])
	exact(t, p, s.after(both[0]), both[1])
}

// nothingAlone: where no single change is said to release, none does.
func nothingAlone(t *rapid.T, p *rules.Policy, s state, f rules.Finding) {
	for _, asked := range f.Asked {
		for n := range asked.Answer.Count + 40 {
			if !s.with(asked.Question, n).violates(p) {
				t.Fatalf("%s: nothing is said to release it alone, and %s is enough", p.Name(), asked.Question.Tell(n))
			}
		}
	}
	for n := range 9 {
		if !s.approved(n).violates(p) {
			t.Fatalf("%s: nothing is said to release it alone, and %d approvals are enough", p.Name(), n)
		}
	}
	for quarter := range 20 * 24 * 4 {
		if at := s.facts.Now.Add(time.Duration(quarter) * 15 * time.Minute); !s.at(at).violates(p) {
			t.Fatalf("%s: nothing is said to release it alone, and %s is enough", p.Name(), at)
		}
	}
}
