package library_test

import (
	"os"
	"path/filepath"
	"testing"

	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/policies/rules"
)

// TestPoliciesCompile: each policy of the example compiles, with nothing to warn of, and has a table of its name.
func TestPoliciesCompile(t *testing.T) {
	for _, policy := range example(t).Policies() {
		source, err := tree.PolicySource(policy)
		if err != nil {
			t.Fatal(err)
		}
		compiled, problems := rules.Compile(source)
		for _, problem := range append(problems, compiled.Warnings()...) {
			t.Errorf("%s: %s %d:%d: %s", policy.Name, problem.Path, problem.Line, problem.Column, problem.Message)
		}
		for _, path := range []string{"policies", "tests/policies"} {
			if _, err := os.Stat(filepath.Join(root, path, policy.Name+".yaml")); err != nil {
				t.Errorf("Policy %s: %v", policy.Name, err)
			}
		}
	}
}
