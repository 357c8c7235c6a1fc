package ruletest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stargate.io/stargate/policies/rules"
)

// Report of a table that was run.
type Report struct {
	Table   Table
	Results []Result
}

// Result of a case.
type Result struct {
	Case Case
	// Failures, each what was wanted and what came; none where the case passes.
	Failures []string
	// Explanations of the policies that a failing case is about: what each part came to.
	Explanations []rules.Explanation
}

// Passed tells whether all cases do.
func (r Report) Passed() bool {
	return !slices.ContainsFunc(r.Results, func(result Result) bool { return len(result.Failures) > 0 })
}

// Covering is a policy with the coverage that runs add to.
type Covering struct {
	Policy   *rules.Policy
	Coverage *rules.Coverage
}

// Cover policies, for one or more runs.
func Cover(policies ...*rules.Policy) []Covering {
	all := make([]Covering, 0, len(policies))
	for _, p := range policies {
		all = append(all, Covering{p, p.Cover()})
	}
	return all
}

// Run the cases of a table against the policies that it is about, and add to their coverage.
func Run(table Table, policies []Covering) Report {
	report := Report{Table: table}
	for _, c := range table.Cases {
		report.Results = append(report.Results, run(c, policies))
	}
	return report
}

// verdict of one policy on one case.
type verdict struct {
	policy      *rules.Policy
	explanation rules.Explanation
}

func run(c Case, policies []Covering) Result {
	result := Result{Case: c}
	var verdicts []verdict
	matched := false
	for _, p := range policies {
		p.Coverage.Add(&c.Facts, c.Fleet)
		v := verdict{p.Policy, p.Policy.Explain(&c.Facts, c.Fleet)}
		matched = matched || v.explanation.Matched
		verdicts = append(verdicts, v)
	}
	wantsUnmatched := slices.ContainsFunc(c.Wants, func(w Want) bool { return w.Is == Unmatched })
	if !matched && !wantsUnmatched {
		result.Failures = append(result.Failures, "no policy matches this Operation, so the case tests nothing: mend its facts, or want unmatched")
	}
	for _, w := range c.Wants {
		if failure := meets(w, c, verdicts); failure != "" && (matched || wantsUnmatched) {
			result.Failures = append(result.Failures, failure)
		}
	}
	if len(result.Failures) > 0 {
		for _, v := range verdicts {
			result.Explanations = append(result.Explanations, v.explanation)
		}
	}
	return result
}

// meets tells how a want is not met; empty where it is.
func meets(w Want, c Case, verdicts []verdict) string {
	policy, rule, both := strings.Cut(w.Of, "/")
	for _, v := range verdicts {
		switch {
		case both && v.policy.Name() == policy:
			return v.rule(w, c, rule)
		case !both && v.policy.Name() == w.Of:
			return v.whole(w, c)
		}
	}
	if both {
		return fmt.Sprintf("%s: there is no policy %s", w.Of, policy)
	}
	for _, v := range verdicts {
		if slices.Contains(v.policy.Rules(), w.Of) {
			return v.rule(w, c, w.Of)
		}
	}
	var names []string
	for _, v := range verdicts {
		names = append(append(names, v.policy.Name()), v.policy.Rules()...)
	}
	return fmt.Sprintf("there is no rule or policy %s%s", w.Of, rules.Meant(w.Of, names))
}

// whole policy: the gravest of its findings.
func (v verdict) whole(w Want, c Case) string {
	got, finding := Unmatched, (*rules.Finding)(nil)
	if v.explanation.Matched {
		got = Passed
	}
	for _, r := range v.explanation.Rules {
		if o := outcomeOf(r.Finding); r.Finding != nil && slices.Index(outcomes, string(o)) < slices.Index(outcomes, string(got)) {
			got, finding = o, r.Finding
		}
	}
	return differs(w, c, got, finding)
}

func (v verdict) rule(w Want, c Case, name string) string {
	if !slices.Contains(v.policy.Rules(), name) {
		return fmt.Sprintf("%s: there is no rule %s%s", w.Of, name, rules.Meant(name, v.policy.Rules()))
	}
	if !v.explanation.Matched {
		return differs(w, c, Unmatched, nil)
	}
	for _, r := range v.explanation.Rules {
		if r.Name == name {
			return differs(w, c, outcomeOf(r.Finding), r.Finding)
		}
	}
	// A policy that cannot be asked holds as a whole, and its rules with it.
	finding := v.explanation.Rules[0].Finding
	return differs(w, c, outcomeOf(finding), finding)
}

func outcomeOf(f *rules.Finding) Outcome {
	if f == nil {
		return Passed
	}
	switch f.Effect {
	case rules.Deny:
		return Denied
	case rules.Warn:
		return Warned
	case rules.Audit:
		return Audited
	default:
		return Held
	}
}

// differs tells how what came is not what is wanted.
func differs(w Want, c Case, got Outcome, finding *rules.Finding) string {
	if got != w.Is {
		text := fmt.Sprintf("%s is %s, and not %s", w.Of, got, w.Is)
		if finding != nil {
			text += ": " + finding.Message
		}
		return text
	}
	if finding != nil {
		return says(w, c, finding)
	}
	if w.Message != "" || w.Reason != "" || !w.Until.IsZero() {
		return fmt.Sprintf("%s is %s, and so has no message, reason or until", w.Of, got)
	}
	return ""
}

// says tells how a finding of the wanted outcome is another one otherwise.
func says(w Want, c Case, finding *rules.Finding) string {
	got := outcomeOf(finding)
	switch {
	case w.Message != "" && !strings.Contains(finding.Message, w.Message):
		return fmt.Sprintf("%s says %q, and not %q", w.Of, finding.Message, w.Message)
	case w.Reason != "" && finding.Reason != w.Reason:
		return fmt.Sprintf("%s is %s because of %s, and not of %s", w.Of, got, finding.Reason, w.Reason)
	case !w.Until.IsZero() && !until(finding).Equal(w.Until):
		return fmt.Sprintf("%s is %s %s, and not until %s", w.Of, got, untilText(finding, c), w.Until.Format(time.RFC3339))
	}
	return ""
}

// until is when the clock alone releases a finding; zero for never.
func until(f *rules.Finding) time.Time {
	for _, r := range f.Releases {
		if !r.At.IsZero() {
			return r.At
		}
	}
	return time.Time{}
}

func untilText(f *rules.Finding, c Case) string {
	if at := until(f); !at.IsZero() {
		return "until " + at.In(c.Facts.Now.Location()).Format(time.RFC3339)
	}
	return "until something else than the clock changes"
}
