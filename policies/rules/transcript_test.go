package rules_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"go.yaml.in/yaml/v3"

	"stargate.io/stargate/policies/rules"
	"stargate.io/stargate/policies/rules/ruletest"
)

// written is a policy as transcripts write it: the spec of the kind.
type written struct {
	Name            string
	MatchConditions []rules.Expression `yaml:"matchConditions"`
	Variables       []rules.Expression
	Rules           []struct {
		Name, Expression, Message string
		MessageExpression         string `yaml:"messageExpression"`
		Effect                    rules.Effect
		RetryAfter                time.Duration `yaml:"retryAfter"`
	}
	DryRun bool `yaml:"dryRun"`
}

func source(text string) (rules.Source, error) {
	var w written
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&w); err != nil {
		return rules.Source{}, err
	}
	s := rules.Source{Name: w.Name, MatchConditions: w.MatchConditions, Variables: w.Variables, DryRun: w.DryRun}
	for _, r := range w.Rules {
		s.Rules = append(s.Rules, rules.Rule{
			Name: r.Name, Expression: r.Expression, Effect: r.Effect, Message: r.Message, MessageExpression: r.MessageExpression, RetryAfter: r.RetryAfter,
		})
	}
	return s, nil
}

// TestTranscripts runs testdata/*.txt: `policy` compiles one, `rule` one of a single expression, `judge`
// and `explain` put a case before the policy that was compiled last.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		var policy *rules.Policy
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "policy":
				s, err := source(d.Input)
				if err != nil {
					d.Fatalf(t, "reading the policy: %v", err)
				}
				policy, _ = rules.Compile(s)
				return tellPolicy(policy)
			case "rule":
				policy, _ = rules.Compile(rules.Source{Name: "p", Rules: []rules.Rule{{Name: "r", Expression: d.Input, Effect: rules.Hold}}})
				return tellPolicy(policy)
			case "judge":
				c := readCase(t, d)
				return tellResult(policy, policy.Evaluate(&c.Facts, c.Fleet), c)
			case "explain":
				c := readCase(t, d)
				return tellExplanation(policy.Explain(&c.Facts, c.Fleet))
			}
			d.Fatalf(t, "there is no verb %s", d.Cmd)
			return ""
		})
	})
}

// readCase is a case of a test table, without its name and wants.
func readCase(t *testing.T, d *datadriven.TestData) ruletest.Case {
	indented := strings.ReplaceAll("name: transcript\nwant: {r: held}\n"+d.Input, "\n", "\n  ")
	table, problems := ruletest.Read("transcript", []byte("policies: [p]\ncases:\n- "+indented))
	for _, p := range problems {
		d.Fatalf(t, "reading the case: %d:%d %s", p.Line-3, p.Column, p.Message)
	}
	return table.Cases[0]
}

func tellPolicy(p *rules.Policy) string {
	var text strings.Builder
	for _, problem := range p.Problems() {
		fmt.Fprintf(&text, "%s %d:%d %s\n", problem.Path, problem.Line, problem.Column, problem.Message)
	}
	for _, warning := range p.Warnings() {
		fmt.Fprintf(&text, "warning: %s %s\n", warning.Path, warning.Message)
	}
	for _, d := range p.Dimensions() {
		fmt.Fprintf(&text, "counts %s by [%s]\n", d.Kind, d.Keys)
	}
	if text.Len() == 0 {
		return "ok\n"
	}
	return text.String()
}

func tellResult(p *rules.Policy, result rules.Result, c ruletest.Case) string {
	if !result.Matched {
		return "does not match\n"
	}
	if len(result.Findings) == 0 {
		return "passes\n"
	}
	var text strings.Builder
	for _, f := range result.Findings {
		tellFinding(&text, p.Foresee(&c.Facts, c.Fleet, f))
	}
	return text.String()
}

func tellFinding(text *strings.Builder, f rules.Finding) {
	fmt.Fprintf(text, "%s %s %s: %s\n", f.Rule, f.Effect, f.Reason, f.Message)
	for _, r := range f.Releases {
		fmt.Fprintf(text, "  released: %s\n", r.Text)
	}
	for _, r := range f.Together {
		fmt.Fprintf(text, "  together: %s\n", r.Text)
	}
	if f.Recheck > 0 {
		fmt.Fprintf(text, "  recheck in %s\n", f.Recheck)
	}
}

func tellExplanation(x rules.Explanation) string {
	var text strings.Builder
	if !x.Matched {
		fmt.Fprintln(&text, "does not match")
	}
	for _, c := range x.Conditions {
		fmt.Fprintf(&text, "condition %s: %s = %s\n", c.Name, c.Expression, c.Value)
	}
	for _, v := range x.Variables {
		unused := ""
		if v.Unused {
			unused = " (nobody asked)"
		}
		fmt.Fprintf(&text, "variables.%s = %s%s\n", v.Name, v.Value, unused)
	}
	for _, r := range x.Rules {
		fmt.Fprintf(&text, "rule %s = %s\n", r.Name, r.Value)
		for _, p := range r.Parts {
			value := p.Value
			if !p.Asked {
				value = "not asked"
			}
			fmt.Fprintf(&text, "%s%s = %s\n", strings.Repeat("  ", p.Depth+1), p.Expression, value)
		}
		if r.Finding != nil {
			tellFinding(&text, *r.Finding)
		}
	}
	for _, a := range x.Asked {
		fmt.Fprintf(&text, "asked %s = %d\n", a.Question, a.Answer.Count)
	}
	return text.String()
}
