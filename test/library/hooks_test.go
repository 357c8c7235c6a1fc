package library_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stargate.io/stargate/policies/hooks"
	"stargate.io/stargate/policies/hooks/hooktest"
)

// TestHooks runs the tests of the example's hooks: all pass, and every line of every script is run.
func TestHooks(t *testing.T) {
	pool := hooks.NewPool(hooks.Options{Workers: 2})
	defer pool.Close()
	covered, lines := map[string]map[int]bool{}, map[string]int{}
	for _, path := range tables(t, "hooks") {
		file, err := hooktest.Load(path, os.ReadFile)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSuffix(filepath.Base(path), ".yaml"); got != file.Subject {
			t.Errorf("%s is about %s: a table is called like its hook", path, file.Subject)
		}
		report, err := hooktest.Run(context.Background(), pool, file, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range report.Cases {
			for _, failure := range c.Failures {
				t.Errorf("%s:%d: %s: %s", path, c.Line, c.Name, failure)
			}
		}
		if covered[report.Script] == nil {
			covered[report.Script] = map[int]bool{}
		}
		for _, line := range report.Covered {
			covered[report.Script][line] = true
		}
		lines[report.Script] = len(report.Lines)
	}
	for script, all := range lines {
		if len(covered[script]) != all {
			t.Errorf("%s: %d of %d lines are run", script, len(covered[script]), all)
		}
	}
	for _, hook := range example(t).Hooks() {
		if _, err := os.Stat(filepath.Join(root, "tests/hooks", hook.Name+".yaml")); err != nil {
			t.Errorf("Hook %s has no tests: %v", hook.Name, err)
		}
	}
}
