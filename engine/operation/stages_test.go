package operation_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/engine/operation"
)

const diagramPath = "../../docs/operation-states.md"

// legal moves from stage to stage. No decision makes another, and each is shown by a transcript.
var legal = map[operation.Stage][]operation.Stage{
	operation.StageWaiting:     {operation.StageDispatching, operation.StageFinished},
	operation.StageDispatching: {operation.StageRunning, operation.StageStopping, operation.StageParked, operation.StageWaiting, operation.StageFinished},
	operation.StageParked:      {operation.StageRunning, operation.StageStopping, operation.StageWaiting, operation.StageAfterHooks, operation.StageFinished},
	operation.StageRunning:     {operation.StageStopping, operation.StageWaiting, operation.StageAfterHooks, operation.StageFinished},
	operation.StageStopping:    {operation.StageParked, operation.StageWaiting, operation.StageAfterHooks, operation.StageFinished},
	operation.StageAfterHooks:  {operation.StageFinished},
	operation.StageFinished:    {},
}

// meanings of the stages, in the order of an Operation's way.
var meanings = []struct {
	stage   operation.Stage
	meaning string
}{
	{operation.StageWaiting, "Nothing is open at the site: it waits for its turn, for what holds it, for the hooks that run before it, or for its next attempt."},
	{operation.StageDispatching, "The Server is claimed and the intent is written; no job is known yet."},
	{operation.StageParked, "The site cannot tell whether there is a job. Server and budget are kept until somebody knows."},
	{operation.StageRunning, "A job is known and wanted. It is polled."},
	{operation.StageStopping, "A job may be there and is not wanted any more. It is ended at the site, or seen out."},
	{operation.StageAfterHooks, "The job has ended, and how is written down. Hooks run; Server and budget stay taken until they have ended."},
	{operation.StageFinished, "The phase is an end. What is left is to clean up."},
}

func TestEveryStageHasAHandler(t *testing.T) {
	table := operation.Stages()
	if len(table) != len(meanings) || len(legal) != len(meanings) {
		t.Errorf("%d stages have a handler, %d a meaning, %d a list of moves", len(table), len(meanings), len(legal))
	}
	for _, each := range meanings {
		if _, ok := legal[each.stage]; !ok || !table[each.stage] {
			t.Errorf("stage %s: handler %v, list of moves %v", each.stage, table[each.stage], ok)
		}
	}
}

// TestDiagram draws docs/operation-states.md from what the transcripts show; -rewrite accepts it.
func TestDiagram(t *testing.T) {
	shown := map[move]bool{}
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		replay(t, path, func(m move) { shown[m] = true })
	})
	for from, all := range legal {
		for _, to := range all {
			if !showsMove(shown, from, to) {
				t.Errorf("no transcript shows the move from %s to %s", from, to)
			}
		}
	}
	drawn := draw(shown)
	if rewrite := flag.Lookup("rewrite"); rewrite != nil && rewrite.Value.String() == "true" {
		if err := os.WriteFile(diagramPath, []byte(drawn), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(filepath.Clean(diagramPath))
	if err != nil || string(written) != drawn {
		t.Errorf("%s is not what the transcripts show (%v): go test ./engine/operation -rewrite", diagramPath, err)
	}
}

func showsMove(shown map[move]bool, from, to operation.Stage) bool {
	for m := range shown {
		if m.from == from && m.to == to {
			return true
		}
	}
	return false
}

func draw(shown map[move]bool) string {
	var out strings.Builder
	out.WriteString("# The stages of an Operation\n\nDrawn by `go test ./engine/operation -rewrite` from the transcripts in `engine/operation/testdata`, which show\neach of these moves. A stage is read from the status alone, so that a crash anywhere leaves one of them.\n\n")
	out.WriteString("```mermaid\nstateDiagram-v2\n    [*] --> Waiting\n")
	for _, line := range edges(shown) {
		out.WriteString("    " + line + "\n")
	}
	out.WriteString("    Finished --> [*]\n```\n\n| stage | what it means |\n|---|---|\n")
	for _, each := range meanings {
		fmt.Fprintf(&out, "| %s | %s |\n", each.stage, each.meaning)
	}
	return out.String()
}

// edges of the diagram, one for each pair of stages with all that it is for.
func edges(shown map[move]bool) []string {
	why := map[string][]string{}
	for m := range shown {
		arrow := fmt.Sprintf("%s --> %s", m.from, m.to)
		why[arrow] = append(why[arrow], m.why)
	}
	var all []string
	for arrow, reasons := range why {
		slices.Sort(reasons)
		all = append(all, arrow+": "+strings.Join(reasons, ", "))
	}
	slices.Sort(all)
	return all
}
