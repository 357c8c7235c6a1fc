package library_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"stargate.io/stargate/policies/hooks"
	"stargate.io/stargate/policies/hooks/hooktest"
)

// TestDemoHooks runs the tests of the hooks that scripts/setup-demo.sh hands out.
func TestDemoHooks(t *testing.T) {
	pool := hooks.NewPool(hooks.Options{Workers: 1})
	defer pool.Close()
	paths, err := filepath.Glob("../../scripts/demo/tests/*.yaml")
	if err != nil || len(paths) != 2 {
		t.Fatalf("got the tables %q, %v", paths, err)
	}
	for _, path := range paths {
		file, err := hooktest.Load(path, os.ReadFile)
		if err != nil {
			t.Fatal(err)
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
		if len(report.Covered) != len(report.Lines) {
			t.Errorf("%s runs %d of %d lines", path, len(report.Covered), len(report.Lines))
		}
	}
}
