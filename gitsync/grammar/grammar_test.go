package grammar_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"stargate.io/stargate/gitsync/grammar"
	"stargate.io/stargate/gitsync/tree"
)

// read a commit as the controller does, without the schemas.
func read(files []tree.File) (*tree.Tree, []tree.Problem) {
	return tree.Read(files, tree.Options{Fleet: "prod", CheckPolicy: grammar.Policy, CheckHook: grammar.Hook})
}

// TestBrokenTexts: each commit of testdata says at which place it is wrong, by a line of its comment as
// "want: FILE:LINE:COLUMN text"; a column of 0 is one that the language does not tell.
func TestBrokenTexts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no commits", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var commit []tree.File
			for _, f := range archive.Files {
				commit = append(commit, tree.File{Path: f.Name, Data: f.Data})
			}
			objects, problems := read(commit)
			if objects != nil {
				t.Error("there is a tree")
			}
			var got []string
			for _, p := range problems {
				got = append(got, fmt.Sprintf("%s:%d:%d %s: %s", p.File, p.Line, p.Column, p.Object, p.Message))
			}
			wanted := 0
			for line := range strings.Lines(string(archive.Comment)) {
				want, ok := strings.CutPrefix(strings.TrimSpace(line), "want: ")
				if !ok {
					continue
				}
				if wanted >= len(got) || !strings.HasPrefix(got[wanted], want) {
					t.Errorf("want %q, got\n%s", want, strings.Join(got, "\n"))
				}
				wanted++
			}
			if wanted != len(got) || wanted == 0 {
				t.Errorf("%d wanted, got\n%s", wanted, strings.Join(got, "\n"))
			}
		})
	}
}

// TestExampleCompiles: what we show is right.
func TestExampleCompiles(t *testing.T) {
	const root = "../../fleet-example"
	var commit []tree.File
	policies, hooks := 0, 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil || strings.HasPrefix(name, "tests/") {
			return err
		}
		data, err := os.ReadFile(path)
		commit = append(commit, tree.File{Path: filepath.ToSlash(name), Data: data})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	objects, problems := read(commit)
	for _, p := range problems {
		t.Error(p)
	}
	if objects == nil {
		return
	}
	policies, hooks = len(objects.Policies()), len(objects.Hooks())
	if policies == 0 || hooks == 0 {
		t.Errorf("%d policies and %d hooks were read", policies, hooks)
	}
}
