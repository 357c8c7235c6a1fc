package library_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/policies/rules"
	"stargate.io/stargate/policies/rules/ruletest"
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

// TestPolicies runs the tables of the example's policies: all cases pass, and every rule and every branch is seen both ways.
func TestPolicies(t *testing.T) {
	compiled := map[string]*rules.Policy{}
	for _, policy := range example(t).Policies() {
		source, err := tree.PolicySource(policy)
		if err != nil {
			t.Fatal(err)
		}
		compiled[policy.Name], _ = rules.Compile(source)
	}
	for _, path := range tables(t, "policies") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		table, problems := ruletest.Read(path, text)
		for _, problem := range problems {
			t.Errorf("%s:%d:%d: %s", problem.Path, problem.Line, problem.Column, problem.Message)
		}
		var about []*rules.Policy
		for _, file := range table.Policies {
			name := strings.TrimSuffix(filepath.Base(file), ".yaml")
			if compiled[name] == nil {
				t.Fatalf("%s is about %s, which is no policy", path, file)
			}
			about = append(about, compiled[name])
		}
		covering := ruletest.Cover(about...)
		for _, result := range ruletest.Run(table, covering).Results {
			if len(result.Failures) > 0 {
				t.Errorf("%s:%d: %s\n%s", path, result.Case.Line, result.Case.Name, strings.Join(ruletest.Lines(result), "\n"))
			}
		}
		for _, missing := range ruletest.Summarize(covering).Missing {
			t.Errorf("%s: %s", path, missing)
		}
	}
}
