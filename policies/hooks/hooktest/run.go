package hooktest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stargate.io/stargate/policies/hooks"
)

// defaultDeadline of a run.
const defaultDeadline = 10 * time.Second

// beginning of the clock where a case does not say: a Friday.
var beginning = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// Report of one file.
type Report struct {
	Path, Hook string
	Script     string
	Cases      []CaseReport
	// Lines of the script that have statements, and those of them that a case ran.
	Lines, Covered []int
}

// CaseReport of one case.
type CaseReport struct {
	Name string
	// Line of the file where it begins.
	Line int
	// Failures, empty where it passed.
	Failures []string
	// Runs that were made.
	Runs []RunReport
	Took time.Duration
}

// RunReport of one run.
type RunReport struct {
	hooks.Result
	Deadline time.Duration
}

// Passed tells whether all cases did.
func (r *Report) Passed() bool {
	return !slices.ContainsFunc(r.Cases, func(c CaseReport) bool { return len(c.Failures) > 0 })
}

// Missed are the lines that no case ran.
func (r *Report) Missed() []int {
	return slices.DeleteFunc(slices.Clone(r.Lines), func(line int) bool { return slices.Contains(r.Covered, line) })
}

// Coverage is the part of the lines that was run, from 0 to 1.
func (r *Report) Coverage() float64 {
	if len(r.Lines) == 0 {
		return 1
	}
	return float64(len(r.Lines)-len(r.Missed())) / float64(len(r.Lines))
}

// Run the cases of a file for which wanted says so; nil for all. An error is one of the pool or of ctx, never a
// case's.
func Run(ctx context.Context, pool *hooks.Pool, file *File, wanted func(name string) bool) (*Report, error) {
	report := &Report{Path: file.Path, Hook: file.Subject, Script: file.Script.Name, Lines: file.Script.Lines()}
	covered := map[int]bool{}
	for i := range file.Cases {
		if wanted != nil && !wanted(file.Cases[i].Name) {
			continue
		}
		done, err := runCase(ctx, pool, file, &file.Cases[i])
		if err != nil {
			return nil, err
		}
		for _, run := range done.Runs {
			for _, line := range run.Lines {
				covered[line] = true
			}
		}
		report.Cases = append(report.Cases, done)
	}
	report.Covered = slices.Sorted(maps.Keys(covered))
	return report, nil
}

func runCase(ctx context.Context, pool *hooks.Pool, file *File, c *Case) (CaseReport, error) {
	report := CaseReport{Name: c.Name, Line: file.lines[c.Name]}
	call := hooks.Call{Name: file.Subject, Script: file.Script, Context: merged(file.Context, c.Context), Key: c.Key,
		Deadline: time.Duration(file.Deadline), Hosts: file.Hosts, Verbs: file.Verbs, Lines: true}
	if call.Key == "" {
		call.Key = "test"
	}
	if call.Deadline <= 0 {
		call.Deadline = defaultDeadline
	}
	if len(c.State) > 0 {
		call.State = json.RawMessage(text(c.State))
	}
	now := beginning
	if c.Now != nil {
		now = *c.Now
	}
	steps := c.steps()
	for i, step := range steps {
		around := &outside{whose: "test", now: now, http: step.HTTP, kube: step.Kube}
		result, err := pool.Run(ctx, call, around)
		if err != nil {
			return report, fmt.Errorf("running case %q: %w", c.Name, err)
		}
		around.unused()
		failures := append(around.failed, step.Want.compare(result)...)
		if i+1 < len(steps) && result.Outcome != hooks.Wait {
			failures = append(failures, "there are runs left, and it did not wait")
		}
		report.Runs = append(report.Runs, RunReport{result, call.Deadline})
		report.Took += result.Took
		for _, failure := range failures {
			if len(steps) > 1 {
				failure = fmt.Sprintf("run %d: %s", i+1, failure)
			}
			report.Failures = append(report.Failures, failure)
		}
		if len(failures) > 0 {
			return report, nil
		}
		call.State, now = result.State, now.Add(result.After)
	}
	return report, nil
}

// compare what came with what is wanted.
func (w Want) compare(got hooks.Result) []string {
	var failures []string
	fail := func(format string, args ...any) { failures = append(failures, fmt.Sprintf(format, args...)) }
	if got.Outcome != outcomes[w.outcome()] {
		fail("it ended in %s, expected %s: %s", said(got), w.outcome(), got.Message)
	}
	if w.Reason != "" && got.Reason != w.Reason {
		fail("its reason is %q, expected %q: %s", got.Reason, w.Reason, got.Message)
	}
	if !strings.Contains(got.Message, w.Message) {
		fail("its message is %q, expected %q in it", got.Message, w.Message)
	}
	if w.After != 0 && got.After != time.Duration(w.After) {
		fail("it waits %s, expected %s", got.After, time.Duration(w.After))
	}
	if w.State != nil && !sameState(w.State, got.State) {
		fail("its state is %s, expected %s", got.State, text(w.State))
	}
	return append(failures, w.compareTold(got)...)
}

// compareTold looks at what the run told and did on its way.
func (w Want) compareTold(got hooks.Result) []string {
	told := make([]string, 0, len(got.Events))
	for _, event := range got.Events {
		told = append(told, event.Reason+": "+event.Message)
	}
	done := make([]string, 0, len(got.Verbs))
	for _, verb := range got.Verbs {
		done = append(done, verb.What)
	}
	failures := append(inOrder("log", w.Log, got.Log), inOrder("events", w.Events, told)...)
	if w.Verbs != nil && !slices.Equal(w.Verbs, done) {
		failures = append(failures, fmt.Sprintf("it called %q, expected %q", done, w.Verbs))
	}
	return failures
}

func sameState(wanted map[string]any, got json.RawMessage) bool {
	if len(got) == 0 {
		return len(wanted) == 0
	}
	return same(wanted, got)
}

func said(got hooks.Result) string {
	for name, outcome := range outcomes {
		if outcome == got.Outcome {
			return strings.TrimSpace(name + " " + got.Reason)
		}
	}
	return string(got.Outcome)
}

// inOrder tells which texts no later line has in it.
func inOrder(what string, wanted, lines []string) []string {
	var failures []string
	at := 0
	for _, text := range wanted {
		found := slices.IndexFunc(lines[at:], func(line string) bool { return strings.Contains(line, text) })
		if found < 0 {
			failures = append(failures, fmt.Sprintf("%s has no %q where it is expected: %q", what, text, lines))
			continue
		}
		at += found + 1
	}
	return failures
}

// merged puts the members of one context over those of another, at any depth.
func merged(under, over map[string]any) map[string]any {
	all := maps.Clone(under)
	if all == nil {
		all = map[string]any{}
	}
	for key, value := range over {
		below, isMap := all[key].(map[string]any)
		above, isMapToo := value.(map[string]any)
		if isMap && isMapToo {
			value = merged(below, above)
		}
		all[key] = value
	}
	return all
}
