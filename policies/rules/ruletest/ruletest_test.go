package ruletest_test

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/policies/rules"
	"stargate.io/stargate/policies/rules/ruletest"
)

func policies(t *testing.T) []*rules.Policy {
	t.Helper()
	var all []*rules.Policy
	for _, s := range []rules.Source{
		{Name: "per-rack", Match: rules.Match{Operations: []string{"repave"}}, Rules: []rules.Rule{
			{Name: "one-per-rack", Expression: `fleet.unavailable({"rack": server.labels.rack}) < 1 || operation.priority > 100`, Effect: rules.Hold},
			{Name: "no-db", Expression: `server.labels[?"role"].orValue("") != "db"`, Effect: rules.Deny, Message: "db stays as it is"},
		}},
		{Name: "nights", Rules: []rules.Rule{
			{Name: "window", Expression: `now.inWindow("22:00-06:00", "UTC") ? true : operation.adHoc && operation.priority > 10`, Effect: rules.Hold},
		}},
	} {
		p, problems := rules.Compile(s)
		if len(problems) > 0 {
			t.Fatalf("%s does not compile: %v", s.Name, problems)
		}
		all = append(all, p)
	}
	return all
}

// TestTables runs testdata/*.txt: `table` reads one, and runs it if nothing is wrong with it.
func TestTables(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			table, problems := ruletest.Read("t.yaml", []byte(d.Input))
			var text strings.Builder
			for _, p := range problems {
				writeLine(&text, "%s:%d:%d %s", p.Path, p.Line, p.Column, p.Message)
			}
			if len(problems) > 0 {
				return text.String()
			}
			covering := ruletest.Cover(policies(t)...)
			report := ruletest.Run(table, covering)
			for _, r := range report.Results {
				writeLine(&text, "%s", map[bool]string{true: "ok    ", false: "FAIL  "}[len(r.Failures) == 0]+r.Case.Name)
				if len(r.Failures) > 0 {
					writeLine(&text, "      %s", strings.Join(ruletest.Lines(r), "\n      "))
				}
			}
			if d.Cmd == "cover" {
				covered := ruletest.Summarize(covering)
				writeLine(&text, "rules %d of %d, branches %d of %d", covered.Rules.Seen, covered.Rules.All, covered.Branches.Seen, covered.Branches.All)
				for _, m := range covered.Missing {
					writeLine(&text, "%s", m)
				}
			}
			return text.String()
		})
	})
}

func TestJUnitIsXMLThatCISystemsRead(t *testing.T) {
	table, problems := ruletest.Read("t.yaml", []byte("policies: [p.yaml]\ncases:\n- {name: 'a \"b\" <c>', facts: {server: {labels: {rack: r1}}}, want: {one-per-rack: held}}\n- {name: d, facts: {server: {labels: {rack: r1}}}, want: {one-per-rack: passed}}\n"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	text, err := ruletest.JUnit([]ruletest.Report{ruletest.Run(table, ruletest.Cover(policies(t)...))})
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Suites []struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Cases    []struct {
				Name    string  `xml:"name,attr"`
				Failure *string `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &read); err != nil {
		t.Fatalf("reading it back: %v\n%s", err, text)
	}
	s := read.Suites[0]
	if s.Tests != 2 || s.Failures != 1 || s.Cases[0].Name != `a "b" <c>` || s.Cases[0].Failure == nil || s.Cases[1].Failure != nil {
		t.Errorf("got %+v\n%s", s, text)
	}
}

func writeLine(text *strings.Builder, format string, arguments ...any) {
	fmt.Fprintf(text, format+"\n", arguments...)
}
