package authoring

import (
	"context"
	"fmt"
	"path"
	"strings"

	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/policies/hooks"
	"stargate.io/stargate/policies/hooks/hooktest"
	"stargate.io/stargate/policies/junit"
)

// HookTest is a run of tests of hooks, as programs read it.
type HookTest struct {
	render.Header
	OK       bool       `json:"ok"`
	Passed   int        `json:"passed"`
	Failed   int        `json:"failed"`
	Files    []HookFile `json:"files"`
	Problems []Problem  `json:"problems"`
}

// HookFile is a file of tests of one hook.
type HookFile struct {
	File  string     `json:"file"`
	Hook  string     `json:"hook"`
	Cases []HookCase `json:"cases"`
	// Percent of the script's lines that a case ran, and the Missed ones.
	Percent int   `json:"percent"`
	Missed  []int `json:"missed,omitempty"`
}

// HookCase is a case with what it took of its bounds.
type HookCase struct {
	Name     string   `json:"name"`
	Line     int      `json:"line"`
	Passed   bool     `json:"passed"`
	Failures []string `json:"failures,omitempty"`
	Log      []string `json:"log,omitempty"`
	Runs     int      `json:"runs"`
	// Milliseconds that its runs took, of the Deadline of each, and the peak of Memory of its worker in bytes.
	Milliseconds float64 `json:"milliseconds"`
	Deadline     string  `json:"deadline"`
	Memory       int64   `json:"memory"`
}

// NewHookTest with nothing run yet.
func NewHookTest() *HookTest {
	return &HookTest{Header: render.HeaderOf("HookTest"), OK: true, Files: []HookFile{}, Problems: []Problem{}}
}

// Run the tests among files, which lie in a folder, in workers of a pool.
func (t *HookTest) Run(ctx context.Context, pool *hooks.Pool, folder string, files []tree.File, read Reading, wanted func(name string) bool) error {
	for _, each := range files {
		if !hooktest.Is(each.Data) {
			continue
		}
		name := path.Join(folder, each.Path)
		file, err := hooktest.Load(name, read)
		if err != nil {
			t.OK = false
			t.Problems = append(t.Problems, Problem{File: name, Message: strings.TrimPrefix(strings.TrimPrefix(err.Error(), "reading "), name+": ")})
			continue
		}
		report, err := hooktest.Run(ctx, pool, file, wanted)
		if err != nil {
			return fmt.Errorf("testing %s: %w", name, err)
		}
		t.add(report)
	}
	return nil
}

func (t *HookTest) add(report *hooktest.Report) {
	out := HookFile{File: report.Path, Hook: report.Hook, Cases: []HookCase{}, Percent: int(report.Coverage() * 100), Missed: report.Missed()}
	for i := range report.Cases {
		from := &report.Cases[i]
		c := HookCase{Name: from.Name, Line: from.Line, Passed: len(from.Failures) == 0, Failures: from.Failures, Runs: len(from.Runs),
			Milliseconds: float64(from.Took.Microseconds()) / 1000}
		for _, run := range from.Runs {
			c.Memory, c.Deadline = max(c.Memory, run.Memory), run.Deadline.String()
			if !c.Passed {
				c.Log = append(c.Log, run.Log...)
			}
		}
		if c.Passed {
			t.Passed++
		} else {
			t.Failed++
			t.OK = false
		}
		out.Cases = append(out.Cases, c)
	}
	t.Files = append(t.Files, out)
}

// JUnit writes the run as CI systems read it.
func (t *HookTest) JUnit() ([]byte, error) {
	suites := make([]junit.Suite, 0, len(t.Files))
	for _, file := range t.Files {
		suite := junit.Suite{Name: file.File}
		for _, c := range file.Cases {
			one := junit.Case{Name: c.Name, Class: file.Hook, File: file.File, Line: c.Line}
			if !c.Passed {
				one.Failure = &junit.Failure{Message: c.Failures[0], Text: strings.Join(append(c.Failures, c.Log...), "\n")}
			}
			suite.Add(one)
		}
		suites = append(suites, suite)
	}
	return junit.Write(suites)
}
