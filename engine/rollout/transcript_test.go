package rollout_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestMain looks at the same histories in each run, so that a gate fails for a change and not by chance;
// -rapid.seed=0 looks at others. It keeps the examples that rapid finds out of testdata/, where every
// file is a transcript.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.checks": "2000", "rapid.seed": "20260301"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	m.Run()
}

// verbs of the transcripts in testdata/. Each acts on a world and answers what a reader should see.
var verbs = map[string]func(*world, *datadriven.TestData) string{
	"group":        verbGroup,
	"servers":      verbServers,
	"server":       verbServer,
	"server-fails": verbServerFails,
	"profile":      verbProfile,
	"fleet":        verbFleet,
	"stamp":        verbStamp,
	"tick":         verbTick,
	"op-starts":    verbOpStarts,
	"op-ends":      verbOpEnds,
	"op":           verbOp,
	"edit":         verbEdit,
	"approve":      verbApprove,
	"resume":       verbResume,
	"decide":       verbDecide,
	"run":          verbRun,
	"status":       verbStatus,
}

// TestTranscripts replays every story in testdata/. Accept what changed with -rewrite.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		w := newWorld()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			verb, ok := verbs[d.Cmd]
			if !ok {
				d.Fatalf(t, "no verb %q", d.Cmd)
			}
			return lines(verb(w, d))
		})
	})
}

// lines ends a text with one newline, unless it is empty.
func lines(text string) string {
	text = strings.TrimRight(text, "\n")
	if text == "" {
		return ""
	}
	return text + "\n"
}

// word gives an argument's value, or what it is without.
func word(d *datadriven.TestData, key, otherwise string) string {
	for _, arg := range d.CmdArgs {
		if arg.Key == key && len(arg.Vals) > 0 {
			return strings.Join(arg.Vals, ",")
		}
	}
	return otherwise
}

// bare gives the n-th argument's key, "" where there are fewer.
func bare(d *datadriven.TestData, n int) string {
	if n >= len(d.CmdArgs) {
		return ""
	}
	return d.CmdArgs[n].Key
}

// names that an argument stands for: "s-01", "s-01..s-06", or several with commas.
func names(text string) []string {
	var found []string
	for _, part := range strings.Split(text, ",") {
		from, to, isRange := strings.Cut(part, "..")
		if !isRange {
			found = append(found, part)
			continue
		}
		prefix := strings.TrimRight(from, "0123456789")
		first, last := numberOf(from[len(prefix):]), numberOf(to[len(prefix):])
		for n := first; n <= last; n++ {
			found = append(found, fmt.Sprintf("%s%0*d", prefix, len(from)-len(prefix), n))
		}
	}
	return found
}

func numberOf(text string) int {
	var n int
	if _, err := fmt.Sscan(strings.TrimLeft(text[:len(text)-1], "0")+text[len(text)-1:], &n); err != nil {
		panic(fmt.Sprintf("%q is no number: %v", text, err))
	}
	return n
}

func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}
