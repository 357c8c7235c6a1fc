package rules

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"go.yaml.in/yaml/v3"
)

// hostile source, of which one rule is made.
type hostile struct {
	Name, Expression string
	Variables        []Expression
}

func readHostile(t *testing.T) []hostile {
	t.Helper()
	text, err := os.ReadFile("testdata/hostile.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []hostile
	if err := yaml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// crowded are facts as large as they are taken to be, and larger.
func crowded() *Facts {
	f := &Facts{Server: Server{Name: "server-001", Labels: map[string]string{}}, Requester: Requester{Stamped: true}}
	for i := range 2 * mostLabels {
		f.Server.Labels[fmt.Sprintf("l%d", i)] = strings.Repeat("v", mostText)
		f.Operation.Approvals = append(f.Operation.Approvals, strings.Repeat("a", mostText))
	}
	return f
}

type nobody struct{}

func (nobody) Answer(Question) Answer { return Answer{} }

// The most that a hostile source may take, over compiling it, a judgement, an explanation and looking
// for what releases it, each: what is allocated, most of which is garbage at once.
const maxAllocated = 192 << 20

// unpriced compiles a source without the estimate of its cost, so that it is seen what the bounds of
// an evaluation are worth on their own.
func unpriced(s Source) (*Policy, []Problem) {
	c := &compiler{policy: &Policy{source: s, hash: hashOf(s)}}
	c.environment(len(s.Variables) > 0)
	c.policy.language = c.env
	c.variables()
	c.rules()
	return c.policy, c.policy.problems
}

// TestHostileSources has each come to its own end, within bounds: refused when it compiles, or ended
// while it runs, for a reason, or harmless after all. testdata/hostile.txt has what each comes to.
func TestHostileSources(t *testing.T) {
	all := map[string]hostile{}
	var names []string
	for _, h := range readHostile(t) {
		all[h.Name] = h
		names = append(names, h.Name)
	}
	if len(all) < 60 {
		t.Fatalf("the corpus has %d sources, of at least 60", len(all))
	}
	asked := 0
	datadriven.RunTest(t, "testdata/hostile.txt", func(t *testing.T, d *datadriven.TestData) string {
		h, ok := all[strings.TrimSpace(d.Input)]
		if !ok {
			d.Fatalf(t, "the corpus has no such source; it has %q", names)
		}
		asked++
		s := Source{Name: "hostile", Variables: h.Variables, Rules: []Rule{{Name: "r", Expression: h.Expression, Effect: Hold}}}
		var text strings.Builder
		p, problems := bounded(t, h.Name, func() (*Policy, []Problem) { return Compile(s) })
		if len(problems) > 0 {
			fmt.Fprintf(&text, "refused: %s\n", cut(problems[0].Message, 200))
			if _, problems = unpriced(s); len(problems) > 0 {
				return text.String()
			}
			p, _ = unpriced(s)
		}
		fmt.Fprintln(&text, comesTo(t, h.Name, p))
		return text.String()
	})
	if asked != len(all) {
		t.Errorf("testdata/hostile.txt asks for %d of %d sources", asked, len(all))
	}
}

// comesTo is how a judgement ends, and within which cost.
func comesTo(t *testing.T, name string, p *Policy) string {
	f := crowded()
	result, _ := bounded(t, name, func() (Result, bool) { return p.Evaluate(f, nobody{}), true })
	if len(result.Findings) == 0 || result.Findings[0].Reason != ReasonCost {
		x, _ := bounded(t, name, func() (Explanation, bool) { return p.Explain(f, nobody{}), true })
		// The step that goes over a bound is done before it is seen, and is bounded itself.
		if x.Cost > MaxPolicyCost+2*MaxCost {
			t.Errorf("%s: it cost %d", name, x.Cost)
		}
	}
	if len(result.Findings) == 0 {
		return "passes"
	}
	finding := result.Findings[0]
	bounded(t, name, func() (Finding, bool) { return p.Foresee(f, nobody{}, finding), true })
	if len(finding.Message) > maxMessage {
		t.Errorf("%s: the message has %d bytes", name, len(finding.Message))
	}
	return fmt.Sprintf("%s: %s", finding.Reason, cut(finding.Message, 200))
}

// bounded runs something and looks at what it allocated.
func bounded[A, B any](t *testing.T, name string, run func() (A, B)) (A, B) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	a, b := run()
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > maxAllocated {
		t.Errorf("%s: it allocated %d MiB, of at most %d", name, took>>20, maxAllocated>>20)
	}
	return a, b
}
