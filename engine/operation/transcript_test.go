package operation_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestMain looks at the same lives in each run, so that a gate fails for a change and not by chance;
// -rapid.seed=0 looks at others. It keeps the examples that rapid finds out of testdata/, where every file is a transcript.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.nofailfile": "true", "rapid.checks": "2000", "rapid.seed": "20260301"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	m.Run()
}

// verbs of the transcripts in testdata/. Each acts on a bench and answers what a reader should see.
var verbs = map[string]func(*bench, *datadriven.TestData) string{
	"operation":  verbOperation,
	"server":     verbServer,
	"profile":    verbProfile,
	"datacenter": verbDatacenter,
	"group":      verbGroup,
	"fleet":      verbFleet,
	"gate":       verbGate,
	"tick":       verbTick,
	"clock":      verbClock,
	"decide":     verbDecide,
	"reply":      verbReply,
	"crash":      verbCrash,
	"watch":      verbWatch,
	"cancel":     verbCancel,
	"delete":     verbDelete,
	"pause":      verbPause,
	"resume":     verbResume,
	"resolve":    verbResolve,
	"status":     verbStatus,
	"hook":       verbHook,
	"says":       verbSays,
	"elected":    verbElected,
}

// TestTranscripts replays every story in testdata/. Accept what changed with -rewrite.
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		replay(t, path, nil)
	})
}

// replay runs one transcript; moved, where it is not nil, is told each move from stage to stage.
func replay(t *testing.T, path string, moved func(move)) {
	b := newBench()
	b.moved = moved
	datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
		verb, ok := verbs[d.Cmd]
		if !ok {
			d.Fatalf(t, "no verb %q", d.Cmd)
		}
		answer := verb(b, d)
		if moved != nil {
			return d.Expected
		}
		return lines(answer)
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
			return strings.Join(arg.Vals, ", ")
		}
	}
	return otherwise
}

// number gives an argument's value as a number, 0 where there is none.
func number(d *datadriven.TestData, key string) int {
	var n int
	if text := word(d, key, ""); text != "" {
		if _, err := fmt.Sscan(text, &n); err != nil {
			panic(fmt.Sprintf("%s: %s=%s: %v", d.Pos, key, text, err))
		}
	}
	return n
}

// bare gives the n-th argument's key, "" where there are fewer.
func bare(d *datadriven.TestData, n int) string {
	if n >= len(d.CmdArgs) {
		return ""
	}
	return d.CmdArgs[n].Key
}
