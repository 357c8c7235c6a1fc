package report

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// run gives what is printed for a run, and whether all is well.
func run(t *testing.T, events string, noSkips bool) (string, bool) {
	t.Helper()
	var out bytes.Buffer
	tally := NewTally(&out, func() time.Time { return time.Unix(0, 0) })
	for event := range read(strings.NewReader(events)) {
		tally.Add(event)
	}
	ok := tally.Finish(noSkips)
	return out.String(), ok
}

const skipped = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: needs root\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"--- SKIP: TestA (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestA","Elapsed":0}
{"Action":"pass","Package":"p","Elapsed":0.1}
{"Action":"skip","Package":"no/tests","Elapsed":0}
`

func TestTally(t *testing.T) {
	for _, c := range []struct {
		name, events string
		noSkips, ok  bool
		last         string
		has          []string
	}{
		{"a skip has its reason", skipped, false, true, "0 passed, 0 failed, 1 skipped", []string{"p TestA: needs root"}},
		{"a skip fails where told", skipped, true, false, "0 passed, 0 failed, 1 skipped", []string{"a skip is a failure"}},
		{"what does not apply is no skip", `{"Action":"run","Package":"p","Test":"TestA"}` + "\n" + strings.ReplaceAll(strings.ReplaceAll(skipped, "needs root", "does not apply: voiding"), "TestA", "TestA/v1"),
			true, true, "0 passed, 0 failed, 0 skipped", []string{"1 subtests do not apply to p TestA"}},
		{"subtests count, not their parent", `{"Action":"run","Package":"p","Test":"T"}
{"Action":"run","Package":"p","Test":"T/a"}
{"Action":"pass","Package":"p","Test":"T/a"}
{"Action":"run","Package":"p","Test":"T/b"}
{"Action":"output","Package":"p","Test":"T/b","Output":"    x_test.go:1: bad\n"}
{"Action":"fail","Package":"p","Test":"T/b"}
{"Action":"fail","Package":"p","Test":"T"}
{"Action":"fail","Package":"p"}`, false, false, "1 passed, 1 failed, 0 skipped", []string{"T/b", "bad", "FAIL  p"}},
		{"a subtest with a slash in its name has no parent but the test", `{"Action":"run","Package":"p","Test":"T"}
{"Action":"run","Package":"p","Test":"T/once/lost"}
{"Action":"output","Package":"p","Test":"T/once/lost","Output":"    x_test.go:1: bad\n"}
{"Action":"fail","Package":"p","Test":"T/once/lost"}
{"Action":"fail","Package":"p","Test":"T"}
{"Action":"fail","Package":"p"}`, false, false, "0 passed, 1 failed, 0 skipped", []string{"T/once/lost", "bad"}},
		{"a parent that fails alone counts", `{"Action":"run","Package":"p","Test":"T"}
{"Action":"run","Package":"p","Test":"T/a"}
{"Action":"pass","Package":"p","Test":"T/a"}
{"Action":"fail","Package":"p","Test":"T"}
{"Action":"fail","Package":"p"}`, false, false, "1 passed, 1 failed, 0 skipped", nil},
		{"a build that fails counts", `{"ImportPath":"p","Action":"build-output","Output":"x.go:1: undefined: y\n"}
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","Elapsed":0,"FailedBuild":"p"}`, false, false, "0 passed, 1 failed, 0 skipped", []string{"undefined: y"}},
		{"a panic shows the test it was in", `{"Action":"run","Package":"p","Test":"T"}
{"Action":"output","Package":"p","Test":"T","Output":"panic: boom\n"}
{"Action":"fail","Package":"p","Elapsed":1}`, false, false, "0 passed, 1 failed, 0 skipped", []string{"T did not come to its end", "panic: boom"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, ok := run(t, c.events, c.noSkips)
			if ok != c.ok {
				t.Errorf("all is well: got %t, want %t", ok, c.ok)
			}
			if !strings.HasSuffix(out, "\n"+c.last+"\n") && out != c.last+"\n" {
				t.Errorf("the last line is not %q", c.last)
			}
			for _, text := range c.has {
				if !strings.Contains(out, text) {
					t.Errorf("%q is not said", text)
				}
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

func TestHeartbeatSaysWhatIsWaitedFor(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	tally := NewTally(&out, func() time.Time { return now })
	tally.Add(Event{Action: "run", Package: "stargate.io/stargate/p", Test: "T"})
	tally.Add(Event{Action: "run", Package: "stargate.io/stargate/p", Test: "T/a"})
	now = now.Add(20 * time.Second)
	tally.Heartbeat(15 * time.Second)
	tally.Heartbeat(15 * time.Second)
	if got, want := out.String(), "...   p.T/a 20s\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPartsAreRunsOfTheirOwn: what stands after another -- is a second run.
func TestPartsAreRunsOfTheirOwn(t *testing.T) {
	for args, want := range map[string][]string{"": {""}, "a b": {"a b"}, "a -- -race b -- c": {"a", "-race b", "c"}} {
		var got []string
		for part := range parts(strings.Fields(args)) {
			got = append(got, strings.Join(part, " "))
		}
		if !slices.Equal(got, want) {
			t.Errorf("the parts of %q are %q, not %q", args, got, want)
		}
	}
}

// TestTwoRunsAreToldAsOne: a failure of either fails both, and the numbers are of both.
func TestTwoRunsAreToldAsOne(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module m\ngo 1.26\n", "a/a_test.go": "package a\nimport \"testing\"\nfunc TestA(t *testing.T) { t.Error(\"bad\") }\n",
		"b/b_test.go": "package b\nimport \"testing\"\nfunc TestB(*testing.T) {}\n",
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for args, want := range map[string]string{"./a -- ./b": "1 passed, 1 failed, 0 skipped", "./b -- ./b": "2 passed, 0 failed, 0 skipped"} {
		var out strings.Builder
		ok, err := Run(t.Context(), &out, dir, strings.Fields(args), true)
		if err != nil {
			t.Fatal(err)
		}
		if ok != strings.Contains(want, " 0 failed") || !strings.HasSuffix(strings.TrimSpace(out.String()), want) {
			t.Errorf("%s is told as %v:\n%s", args, ok, &out)
		}
	}
}
