package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// step is one command of a document, or a file that it has its reader write, or, with neither, what the watch that was
// opened last shows by then.
type step struct {
	command string
	file    string
	shown   string
}

var (
	fence = regexp.MustCompile("(?ms)^```(sh|text|yaml)\n(.*?)^```$")
	named = regexp.MustCompile(`^# (\.stargate/\S+)\n`)
)

// steps are the commands in the ```sh blocks of a section. A ```text block is what the watch before it shows, else what
// the last command prints. A ```yaml block that begins with the name of a file of the reader's is that file.
func steps(t *testing.T, path, section string) []step {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), "\n## "+section+"\n")
	if !found {
		t.Fatalf("%s has no section %q", path, section)
	}
	part, _, _ = strings.Cut(part, "\n## ")
	var all []step
	watching := false
	for _, block := range fence.FindAllStringSubmatch(part, -1) {
		switch {
		case block[1] == "text" && watching:
			all = append(all, step{shown: block[2]})
			watching = false
		case block[1] == "text":
			all[len(all)-1].shown = block[2]
		case block[1] == "yaml":
			if file := named.FindStringSubmatch(block[2]); file != nil {
				all = append(all, step{file: file[1], shown: block[2]})
			}
		default:
			for line := range strings.Lines(block[2]) {
				if command := strings.TrimSpace(line); command != "" {
					all = append(all, step{command: command})
					watching = watching || watches(command)
				}
			}
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s: section %q has no commands", path, section)
	}
	return all
}

func watches(command string) bool { return strings.HasSuffix(command, " -w") }

// TestQuickStart types what the README says, in the order in which it does.
func TestQuickStart(t *testing.T) {
	t.Parallel()
	newCheckout(t).walk(steps(t, "../../README.md", "Quick start"))
}

// walk types commands, one after the other, and compares what they print with what is shown.
func (c *checkout) walk(all []step) {
	c.t.Helper()
	var watch *terminal
	for _, step := range all {
		c.t.Logf("$ %s", step.command)
		switch {
		case step.file != "":
			c.write(step.file, step.shown)
		case step.command == "":
			watch.untilLike(step.shown)
		case watches(step.command):
			watch = c.open(step.command)
			time.Sleep(3 * time.Second) // as long as a reader takes to turn to another terminal
		case strings.HasPrefix(step.command, "make run-"):
			c.open(step.command)
		default:
			out := c.run(step.command)
			if err := like(step.shown, out); err != nil {
				c.t.Errorf("$ %s\n%s%v", step.command, out, err)
			}
		}
	}
}

func (c *checkout) write(file, text string) {
	c.t.Helper()
	path := filepath.Join(c.dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/*/*.md", "../../fleet-example/*.md"} {
		some, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	return all
}

var (
	link   = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	target = regexp.MustCompile("(?m)(?:`|^)(?:[A-Z_]+=\\S+ )*make ([a-z][a-z0-9-]*)")
)

// TestDocumentsPointSomewhere: links lead to files, and what is to be made can be.
func TestDocumentsPointSomewhere(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range documents(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), found[1])); err != nil {
				t.Errorf("%s points to %s, which is not there", path, found[1])
			}
		}
		for _, found := range target.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(string(makefile), "\n"+found[1]+": ") {
				t.Errorf("%s says make %s, which the Makefile does not know", path, found[1])
			}
		}
	}
}

// TestLike: a document's example is compared without ages and blanks, in order.
func TestLike(t *testing.T) {
	shown := "NAME  AGE\na     0s\nb     30s\n"
	for _, c := range []struct {
		out string
		ok  bool
	}{
		{"NAME   AGE\na 1s\na 2s\nb 4s\n", true},
		{"NAME   AGE\nb 1s\na 2s\n", false},
		{"a 1s\nb 4s\n", false},
	} {
		if err := like(shown, c.out); (err == nil) != c.ok {
			t.Errorf("%q: got %v", c.out, err)
		}
	}
}
