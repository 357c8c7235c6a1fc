package authoring

import (
	"fmt"
	"path"
	"regexp"
	"slices"

	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/policies/rules"
	"stargate.io/stargate/policies/rules/ruletest"
)

// PolicyTest is a run of the tables of tests, as programs read it.
type PolicyTest struct {
	render.Header
	OK     bool    `json:"ok"`
	Passed int     `json:"passed"`
	Failed int     `json:"failed"`
	Tables []Table `json:"tables"`
	// Problems with the tables themselves, or with the policies that they name.
	Problems []Problem `json:"problems"`
	Coverage Coverage  `json:"coverage"`

	reports  []ruletest.Report
	covering []ruletest.Covering
	byFile   map[string][]ruletest.Covering
}

// Table of tests.
type Table struct {
	File     string   `json:"file"`
	Policies []string `json:"policies"`
	Cases    []Case   `json:"cases"`
}

// Case of a table.
type Case struct {
	Name   string `json:"name"`
	Line   int    `json:"line"`
	Passed bool   `json:"passed"`
	// Failures, each what was wanted and what came; Details are what each part of the rules came to.
	Failures []string `json:"failures,omitempty"`
	Details  []string `json:"details,omitempty"`
}

// Coverage of policies by their tests.
type Coverage struct {
	Rules    Share `json:"rules"`
	Branches Share `json:"branches"`
	// Missing tells of each rule and branch that was not seen both ways.
	Missing []string `json:"missing,omitempty"`
}

// Share of something that was seen.
type Share struct {
	Seen    int `json:"seen"`
	All     int `json:"all"`
	Percent int `json:"percent"`
}

// isTable and hasCases tell a table of tests, also one with mistakes in it, from what lies beside it.
var (
	isTable  = regexp.MustCompile(`(?m)^["']?policies["']?[ \t]*:`)
	hasCases = regexp.MustCompile(`(?m)^["']?cases["']?[ \t]*:`)
)

// Reading of a file, by its path with slashes.
type Reading func(path string) ([]byte, error)

// NewPolicyTest with nothing run yet.
func NewPolicyTest() *PolicyTest {
	return &PolicyTest{Header: render.HeaderOf("PolicyTest"), OK: true, Tables: []Table{}, Problems: []Problem{}, byFile: map[string][]ruletest.Covering{}}
}

// Run the tables among files, which lie in a folder, with the policies that they name. Only cases for
// which wanted says so are run; nil for all.
func (t *PolicyTest) Run(folder string, files []tree.File, read Reading, schemas *tree.Schemas, wanted func(name string) bool) {
	for _, file := range files {
		if !isTable.Match(file.Data) || !hasCases.Match(file.Data) {
			continue
		}
		name := path.Join(folder, file.Path)
		table, problems := ruletest.Read(name, file.Data)
		if len(problems) > 0 {
			for _, p := range problems {
				t.problem(Problem{File: name, Line: p.Line, Column: p.Column, Field: p.Path, Message: p.Message})
			}
			continue
		}
		var about []ruletest.Covering
		whole := true
		for _, policy := range table.Policies {
			some, ok := t.policies(path.Join(path.Dir(name), policy), read, schemas)
			about, whole = append(about, some...), whole && ok
		}
		if !whole {
			continue
		}
		if wanted != nil {
			table.Cases = slices.DeleteFunc(table.Cases, func(c ruletest.Case) bool { return !wanted(c.Name) })
		}
		t.add(ruletest.Run(table, about))
	}
	t.cover()
}

func (t *PolicyTest) problem(p Problem) {
	t.OK = false
	t.Problems = append(t.Problems, p)
}

// policies of a file, compiled once for all tables that name it.
func (t *PolicyTest) policies(name string, read Reading, schemas *tree.Schemas) ([]ruletest.Covering, bool) {
	if known, ok := t.byFile[name]; ok {
		return known, known != nil
	}
	t.byFile[name] = nil
	data, err := read(name)
	if err != nil {
		t.problem(Problem{File: name, Message: fmt.Sprintf("cannot be read: %v", err), Mend: "correct the table's list of policies"})
		return nil, false
	}
	sources, problems := Read([]tree.File{{Path: path.Base(name), Data: data}}, schemas)
	for _, p := range problems {
		t.problem(Problem{File: name, Line: p.Line, Column: p.Column, Object: p.Object, Field: p.Field, Message: p.Message, Mend: p.Mend})
	}
	if len(problems) > 0 {
		return nil, false
	}
	var compiled []*rules.Policy
	for _, source := range sources {
		if source.Policy != nil {
			compiled = append(compiled, Compile(source.Policy))
		}
	}
	if len(compiled) == 0 {
		t.problem(Problem{File: name, Message: "there is no Policy in it", Mend: "correct the table's list of policies"})
		return nil, false
	}
	t.byFile[name] = ruletest.Cover(compiled...)
	t.covering = append(t.covering, t.byFile[name]...)
	return t.byFile[name], true
}

func (t *PolicyTest) add(report ruletest.Report) {
	t.reports = append(t.reports, report)
	table := Table{File: report.Table.File, Policies: report.Table.Policies, Cases: []Case{}}
	for _, result := range report.Results {
		c := Case{Name: result.Case.Name, Line: result.Case.Line, Passed: len(result.Failures) == 0, Failures: result.Failures}
		if c.Passed {
			t.Passed++
		} else {
			t.Failed++
			t.OK = false
			c.Details = ruletest.Lines(result)[len(result.Failures):]
		}
		table.Cases = append(table.Cases, c)
	}
	t.Tables = append(t.Tables, table)
}

// cover sums up what the tests have seen.
func (t *PolicyTest) cover() {
	covered := ruletest.Summarize(t.covering)
	share := func(s ruletest.Share) Share { return Share{Seen: s.Seen, All: s.All, Percent: s.Percent()} }
	t.Coverage = Coverage{Rules: share(covered.Rules), Branches: share(covered.Branches), Missing: covered.Missing}
}

// JUnit writes the run as CI systems read it.
func (t *PolicyTest) JUnit() ([]byte, error) { return ruletest.JUnit(t.reports) }
