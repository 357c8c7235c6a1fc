package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestTranscripts types command lines for which no cluster is needed, and shows what comes of them.
func TestTranscripts(t *testing.T) {
	for _, folder := range []string{"explain", "hook", "policy"} {
		t.Run(folder, func(t *testing.T) { datadriven.Walk(t, filepath.Join("testdata", folder), playFiles) })
	}
}

// playFiles runs a transcript: "file NAME" writes a file into a folder of its own, and "stargate" runs a
// command line in it, on 2026-03-03 at 10:51, a Tuesday. What the file "stdin" holds is typed in.
func playFiles(t *testing.T, path string) {
	dir := t.TempDir()
	t.Setenv("KUBECONFIG", filepath.Join(dir, "none"))
	t.Setenv("HOME", dir)
	here, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	datadriven.RunTest(t, here, func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "file":
			name := d.CmdArgs[0].Key
			if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(d.Input+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return ""
		case "stargate":
			return typeLine(d.Input)
		}
		t.Fatalf("%s: no such verb", d.Cmd)
		return ""
	})
}

// tookTime is what no two runs of a hook have in common.
var tookTime = regexp.MustCompile(`took    [0-9.]+ ms of (\S+), \d+ MiB`)

// typeLine is a line of a transcript as a shell takes it, with what it prints and the code that it ends with.
func typeLine(line string) string {
	// Odd parts are within double quotes.
	var args []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			args = append(args, part)
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	// Where there is no such file, nothing is typed.
	stdin, _ := os.ReadFile("stdin")
	var out, errOut bytes.Buffer
	app := newApp("stargate", bytes.NewReader(stdin), &out, &errOut)
	app.now = func() time.Time { return time.Date(2026, 3, 3, 10, 51, 0, 0, time.UTC) }
	root := app.command()
	root.SetArgs(args)
	command, err := root.ExecuteContextC(context.Background())
	code := app.report(command.CommandPath(), app.explained(err))
	return tookTime.ReplaceAllString(out.String()+errOut.String(), "took    N ms of $1, N MiB") + fmt.Sprintf("code %d\n", code)
}
