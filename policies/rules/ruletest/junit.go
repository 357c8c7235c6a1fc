package ruletest

import (
	"fmt"
	"strings"

	"stargate.io/stargate/policies/junit"
	"stargate.io/stargate/policies/rules"
)

// JUnit writes reports as CI systems read them.
func JUnit(reports []Report) ([]byte, error) {
	suites := make([]junit.Suite, 0, len(reports))
	for _, r := range reports {
		suite := junit.Suite{Name: r.Table.File}
		for _, result := range r.Results {
			c := junit.Case{Name: result.Case.Name, Class: strings.Join(r.Table.Policies, ","), File: r.Table.File, Line: result.Case.Line}
			if len(result.Failures) > 0 {
				c.Failure = &junit.Failure{Message: result.Failures[0], Text: strings.Join(Lines(result), "\n")}
			}
			suite.Add(c)
		}
		suites = append(suites, suite)
	}
	return junit.Write(suites)
}

// Lines that tell of a failing case: what was wanted, and what each part of the rules came to.
func Lines(result Result) []string {
	lines := append([]string(nil), result.Failures...)
	for _, x := range result.Explanations {
		if !x.Matched {
			lines = append(lines, x.Policy+" does not match")
		}
		for _, c := range x.Conditions {
			lines = append(lines, fmt.Sprintf("  %s  %s = %s", c.Name, flat(c.Expression), c.Value))
		}
		for _, v := range x.Variables {
			lines = append(lines, fmt.Sprintf("  variables.%s = %s", v.Name, v.Value))
		}
		for _, r := range x.Rules {
			lines = append(lines, ruleLines(r)...)
		}
	}
	return lines
}

func ruleLines(r rules.ExplainedRule) []string {
	lines := []string{fmt.Sprintf("  %s is %s", r.Name, outcomeOf(r.Finding))}
	for _, p := range r.Parts {
		value := p.Value
		if !p.Asked {
			value = "not asked"
		}
		lines = append(lines, fmt.Sprintf("  %s  %s = %s", strings.Repeat("  ", p.Depth), p.Expression, value))
	}
	return lines
}

func flat(text string) string { return strings.Join(strings.Fields(text), " ") }
