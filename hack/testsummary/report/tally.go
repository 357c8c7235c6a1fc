package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Event is a line of `go test -json`.
type Event struct {
	Action     string
	Package    string
	Test       string
	Elapsed    float64
	Output     string
	ImportPath string // of build-output, in place of Package
}

type key struct{ pkg, test string }

// running is a test, or with an empty name a package, that has not ended.
type running struct {
	began  time.Time
	output []string
	// ended counts how its subtests, or a package's tests, ended.
	ended map[string]int
}

type skip struct{ key, reason string }

// doesNotApply begins the reason of a subtest that a suite has for others: no machine would run it, so it is no skip.
const doesNotApply = "does not apply"

// Tally counts what happened, and prints it as it happens.
type Tally struct {
	out    io.Writer
	now    func() time.Time
	live   map[key]*running
	skips  []skip
	moot   map[string]int // by test: subtests that do not apply to what it tests
	said   time.Time
	passed int
	failed int
}

// NewTally gives an empty tally that prints to out.
func NewTally(out io.Writer, now func() time.Time) *Tally {
	return &Tally{out: out, now: now, live: map[key]*running{}, moot: map[string]int{}, said: now()}
}

func (t *Tally) say(format string, args ...any) {
	t.said = t.now()
	_, _ = fmt.Fprintf(t.out, format+"\n", args...) // nobody is left to tell
}

func (t *Tally) at(pkg, test string) *running {
	k := key{pkg, test}
	if t.live[k] == nil {
		t.live[k] = &running{began: t.now(), ended: map[string]int{}}
	}
	return t.live[k]
}

// Add takes the next event.
func (t *Tally) Add(event Event) {
	switch event.Action {
	case "start", "run":
		t.at(event.Package, event.Test)
	case "output":
		r := t.at(event.Package, event.Test)
		r.output = append(r.output, event.Output)
	case "build-output":
		// Packages that fail to build share what is said about it; it is shown once, as it comes.
		t.say("%s", strings.TrimRight(event.Output, "\n"))
	case "pass", "fail", "skip":
		if event.Test == "" {
			t.packageEnded(event)
		} else {
			t.testEnded(event)
		}
	}
}

func (t *Tally) testEnded(event Event) {
	r := t.at(event.Package, event.Test)
	delete(t.live, key{event.Package, event.Test})
	parent := t.at(event.Package, t.parentOf(event.Package, event.Test))
	leaf := len(r.ended) == 0
	// What a parent says about itself, beyond its subtests, counts: it may fail alone.
	counts := leaf || event.Action == "fail" && r.ended["fail"] == 0
	parent.ended[event.Action]++
	if event.Action == "fail" {
		t.say("--- FAIL  %s  %s  (%s)\n%s", event.Package, event.Test, seconds(event.Elapsed), indent(strip(r.output)))
	}
	if !counts {
		return
	}
	switch event.Action {
	case "pass":
		t.passed++
	case "fail":
		t.failed++
	case "skip":
		why := reason(r.output)
		if strings.HasPrefix(why, doesNotApply) {
			t.moot[event.Package+" "+t.parentOf(event.Package, event.Test)]++
			return
		}
		t.skips = append(t.skips, skip{event.Package + " " + event.Test, why})
	}
}

// parentOf gives the test that a subtest is of; empty for a test of the package. A subtest's own name may have slashes.
func (t *Tally) parentOf(pkg, test string) string {
	for {
		i := strings.LastIndexByte(test, '/')
		if i < 0 {
			return ""
		}
		test = test[:i]
		if t.live[key{pkg, test}] != nil {
			return test
		}
	}
}

func (t *Tally) packageEnded(event Event) {
	r := t.at(event.Package, "")
	unfinished := t.unfinished(event.Package)
	delete(t.live, key{event.Package, ""})
	switch {
	case event.Action == "skip": // has no tests
		return
	case event.Action == "pass":
		t.say("ok    %-52s %8s", event.Package, seconds(event.Elapsed))
		return
	case r.ended["fail"] == 0 || len(unfinished) > 0:
		// It failed outside its tests, or in the midst of one: a build, a panic, a time-out, os.Exit.
		t.failed++
		t.say("%s", indent(strip(append(r.output, unfinished...))))
	}
	t.say("FAIL  %-52s %8s", event.Package, seconds(event.Elapsed))
}

// unfinished takes out the tests of a package that never came to an end, with what they had said.
func (t *Tally) unfinished(pkg string) []string {
	var names []string
	for k := range t.live {
		if k.pkg == pkg && k.test != "" {
			names = append(names, k.test)
		}
	}
	slices.Sort(names)
	var output []string
	for _, name := range names {
		output = append(output, fmt.Sprintf("%s did not come to its end:\n", name))
		output = append(output, t.live[key{pkg, name}].output...)
		delete(t.live, key{pkg, name})
	}
	return output
}

// Finish prints the skips and the last line, and tells whether all is well.
func (t *Tally) Finish(noSkips bool) bool {
	if len(t.skips) > 0 {
		t.say("\nskipped:")
		slices.SortFunc(t.skips, func(a, b skip) int { return strings.Compare(a.key, b.key) })
		for _, s := range t.skips {
			t.say("  %s: %s", s.key, s.reason)
		}
		if noSkips {
			t.say("here a skip is a failure: this machine is meant to run everything")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.moot)) {
		t.say("%d subtests do not apply to %s", t.moot[name], name)
	}
	t.say("%d passed, %d failed, %d skipped", t.passed, t.failed, len(t.skips))
	return t.failed == 0 && (len(t.skips) == 0 || !noSkips)
}

// Heartbeat says what is being waited for when nothing was said for so long.
func (t *Tally) Heartbeat(after time.Duration) {
	if t.now().Sub(t.said) < after {
		return
	}
	var names []string
	for k, r := range t.live {
		if k.test != "" && len(r.ended) == 0 && !t.hasLiveChild(k) {
			names = append(names, fmt.Sprintf("%s %s", shorten(k.pkg)+"."+k.test, t.now().Sub(r.began).Round(time.Second)))
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		t.say("...   building")
		return
	}
	more := ""
	if len(names) > 3 {
		names, more = names[:3], fmt.Sprintf(" and %d more", len(names)-3)
	}
	t.say("...   %s%s", strings.Join(names, ", "), more)
}

func (t *Tally) hasLiveChild(of key) bool {
	for k := range t.live {
		if k.pkg == of.pkg && strings.HasPrefix(k.test, of.test+"/") {
			return true
		}
	}
	return false
}
