package reference_test

import (
	"os"
	"strings"
	"testing"

	"stargate.io/stargate/policies/rules"
	"stargate.io/stargate/policies/rules/reference"
)

func page(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("../facts.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := reference.Page(source)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestThePageIsWhatTheCodeSays(t *testing.T) {
	written, err := os.ReadFile("../../../docs/reference/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	if page(t) != string(written) {
		t.Error("docs/reference/policies.md is not up to date: run hack/generate.sh")
	}
}

// TestExamplesCompile: what the page shows as an example is one.
func TestExamplesCompile(t *testing.T) {
	text := page(t)
	for _, f := range append(rules.Questions(), rules.Clock()...) {
		if !strings.Contains(text, f.Example) {
			t.Errorf("the page has no example of %s", f.Name)
		}
		if _, problems := rules.Compile(rules.Source{Name: "p", Rules: []rules.Rule{{Name: "r", Expression: f.Example, Effect: rules.Hold}}}); len(problems) > 0 {
			t.Errorf("%s: %v", f.Example, problems)
		}
	}
}
