package hooktest_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"stargate.io/stargate/policies/hooks"
	"stargate.io/stargate/policies/hooks/hooktest"
)

func report(t *testing.T, file *hooktest.File, wanted func(string) bool) *hooktest.Report {
	t.Helper()
	pool := hooks.NewPool(hooks.Options{Workers: 1})
	defer pool.Close()
	got, err := hooktest.Run(t.Context(), pool, file, wanted)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestCasesOfAFile(t *testing.T) {
	file, err := hooktest.Load("testdata/tests/ask.yaml", os.ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	got := report(t, file, nil)
	if !got.Passed() || len(got.Cases) != 2 || got.Cases[1].Line != 34 {
		t.Errorf("got %+v", got.Cases)
	}
	if missed := got.Missed(); !slices.Equal(missed, []int{8}) || got.Coverage() > 0.95 {
		t.Errorf("missed lines %v of %v, expected 8, where it raises an error", missed, got.Lines)
	}
	one := report(t, file, func(name string) bool { return strings.Contains(name, "not known") })
	if len(one.Cases) != 1 || one.Coverage() >= got.Coverage() {
		t.Errorf("got %d cases, coverage %v", len(one.Cases), one.Coverage())
	}
}

// TestFailures: each way in which a case is wrong is told.
func TestFailures(t *testing.T) {
	text, err := os.ReadFile("testdata/tests/ask.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, from, to, want string }{
		{"outcome", "outcome: fail", "outcome: done", "it ended in fail, expected done: not known"},
		{"message", "message: not known", "message: unheard of", `expected "unheard of" in it`},
		{"event", "NotKnown: server-001", "NotKnown: server-002", `events has no "NotKnown: server-002"`},
		{"request", "status: 404\n  want", "status: 404\n  - url: https://x.example\n  want", "expected request did not come: https://x.example"},
		{"other request", "servers/server-001\n    status: 404", "servers/server-9\n    status: 404", "unexpected request: GET https://cmdb.example.com/servers/server-001; expected GET https://cmdb.example.com/servers/server-9"},
		{"state", "asked: 1", "asked: 2", `its state is {"asked":1}, expected {"asked":2}`},
		{"wait", "after: 15s", "after: 16s", "run 1: it waits 15s, expected 16s"},
		{"arguments", "force: true", "force: false", `run 1: kube.drain: its arguments are {"force":true}, expected {"force":false}`},
		{"call", "answer: {left: 0}", "answer: {left: 0}\n    - verb: cordon", "run 2: expected call did not come: kube.cordon"},
		{"header", "key: k1", "key: k2", `header idempotency-key is "k2", expected "k1"`},
		{"sent", `"server":"server-001"`, `"server":"x"`, `the body has no "\"server\":\"x\"" in it`},
		{"verbs", "kube.drain,", "kube.cordon,", "run 2: it called"},
		{"log", "left 0 at", "left 7 at", `log has no "left 7`},
		{"too many runs", "status: 404\n  want:\n    outcome: fail", "status: 404\n  want:\n    outcome: fail\n    reason: X", "want.reason is for errors"},
		{"nothing checked", "outcome: fail\n", "log: []\n", "it checks nothing"},
		{"a field that there is not", "status: 404", "stauts: 404", "stauts"},
		{"no hook", "hook: ../ask.yaml", "hook: ../other.yaml", "reading its hook"},
	} {
		t.Run(c.name, func(t *testing.T) {
			changed := strings.Replace(string(text), c.from, c.to, 1)
			if changed == string(text) {
				t.Fatalf("%q is not in the file", c.from)
			}
			file, err := hooktest.Load("testdata/tests/ask.yaml", func(path string) ([]byte, error) {
				if path == "testdata/tests/ask.yaml" {
					return []byte(changed), nil
				}
				return os.ReadFile(path)
			})
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %q, expected %q in it", err, c.want)
				}
				return
			}
			got := report(t, file, nil)
			var all []string
			for _, one := range got.Cases {
				all = append(all, one.Failures...)
			}
			if got.Passed() || !strings.Contains(strings.Join(all, "\n"), c.want) {
				t.Errorf("got %q, expected %q in it", all, c.want)
			}
		})
	}
}

func TestIs(t *testing.T) {
	for text, want := range map[string]bool{
		"hook: a.yaml\ncases: [{name: x}]": true, "policy: a.yaml\ncases: []": false, "kind: Hook": false, "hook: [": false,
	} {
		if got := hooktest.Is([]byte(text)); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}
