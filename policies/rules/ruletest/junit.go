package ruletest

import (
	"encoding/xml"
	"fmt"
	"strings"

	"stargate.io/stargate/policies/rules"
)

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	File    string        `xml:"file,attr"`
	Line    int           `xml:"line,attr"`
	Failure *junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes reports as CI systems read them.
func JUnit(reports []Report) ([]byte, error) {
	var all junitSuites
	for _, r := range reports {
		suite := junitSuite{Name: r.Table.File, Tests: len(r.Results)}
		for _, result := range r.Results {
			c := junitCase{Name: result.Case.Name, Class: strings.Join(r.Table.Policies, ","), File: r.Table.File, Line: result.Case.Line}
			if len(result.Failures) > 0 {
				suite.Failures++
				c.Failure = &junitFailure{Message: result.Failures[0], Text: strings.Join(Lines(result), "\n")}
			}
			suite.Cases = append(suite.Cases, c)
		}
		all.Suites = append(all.Suites, suite)
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing JUnit: %w", err)
	}
	return append([]byte(xml.Header), append(text, '\n')...), nil
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
