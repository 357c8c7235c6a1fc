package tree

import (
	"testing"
	"time"

	"stargate.io/stargate/gitsync/tree/treetest"
)

// TestBrokenCommits: none has a tree, and each is told at its file and line, with a mend, within a second.
func TestBrokenCommits(t *testing.T) {
	total := 0
	for seed := range uint64(3) {
		names := map[string]bool{}
		for _, c := range treetest.Broken(seed) {
			total++
			if names[c.Name] {
				t.Errorf("the case %s is there twice", c.Name)
			}
			names[c.Name] = true
			start := time.Now()
			tree, problems := Read(filesOf(c.Files), Options{Fleet: "prod", Schemas: installed()})
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s took %s", c.Name, took)
			}
			if tree != nil {
				t.Errorf("%s: there is a tree", c.Name)
			}
			found := false
			for _, p := range problems {
				sound(t, c.Name, p)
				found = found || p.File == c.WantFile && p.Line == c.WantLine
			}
			if !found {
				t.Errorf("%s: nothing is told at %s:%d, but\n%s", c.Name, c.WantFile, c.WantLine, lines(problems))
			}
		}
	}
	if total < 300 {
		t.Errorf("%d cases, too few", total)
	}
	t.Logf("%d broken commits", total)
}
