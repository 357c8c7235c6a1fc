// Package docs_test does what the documents tell their readers to do.
package docs_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// checkout is a copy of this one, as a reader has it, with a shell to type into.
type checkout struct {
	t   *testing.T
	dir string
	env []string
}

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	dir, err := os.MkdirTemp("", "docs") //nolint:usetesting // etcd's socket needs a short name
	if err != nil {
		t.Fatal(err)
	}
	c := &checkout{t: t, dir: dir, env: []string{
		"STARGATE_STATE=", "KUBECONFIG=", "DURATION=4s", "RUN_FLAGS=--metrics-address=0 --health-address=0",
		"PORT_WEST=" + freePort(t), "PORT_EAST=" + freePort(t), "MAKEFLAGS=", "MAKELEVEL="}}
	t.Cleanup(func() {
		c.quietly("make cluster-down")
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	copied := exec.Command("bash", "-c", `git ls-files -z -co --exclude-standard | while IFS= read -r -d '' f; do [[ -e $f ]] && printf '%s\0' "$f"; done | tar c --null -T - | tar x -C "$1"`, "copy", dir)
	copied.Dir = "../.."
	if out, err := copied.CombinedOutput(); err != nil {
		t.Fatalf("copying the checkout: %v\n%s", err, out)
	}
	return c
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}

// shell gives what a command is run with. What earlier ones exported holds.
func (c *checkout) shell(command string) *exec.Cmd {
	session := filepath.Join(c.dir, ".session")
	cmd := exec.Command("bash", "-c", fmt.Sprintf("[[ ! -e %[1]s ]] || . %[1]s\n%[2]s\ncode=$?\nexport -p >%[1]s\nexit $code", session, command))
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), c.env...)
	// A group of its own, so that all of it can be ended.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

func (c *checkout) run(command string) string {
	c.t.Helper()
	out, err := c.shell(command).CombinedOutput()
	if err != nil {
		c.t.Fatalf("$ %s\n%s%v", command, out, err)
	}
	return string(out)
}

func (c *checkout) quietly(command string) { _ = c.shell(command).Run() }

// terminal is one in which a command runs that does not end by itself.
type terminal struct {
	t       *testing.T
	command string
	out     string // a file
}

// open runs a command until the test ends, in a terminal of its own.
func (c *checkout) open(command string) *terminal {
	c.t.Helper()
	out, err := os.CreateTemp(c.dir, ".terminal-")
	if err != nil {
		c.t.Fatal(err)
	}
	defer out.Close()
	cmd := c.shell("exec " + command)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	terminal := &terminal{c.t, command, out.Name()}
	c.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait() // it was ended
		if c.t.Failed() {
			c.t.Logf("$ %s\n%s", command, terminal.text())
		}
	})
	return terminal
}

func (w *terminal) text() string {
	w.t.Helper()
	text, err := os.ReadFile(w.out)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// untilLike waits until the terminal shows what a document shows.
func (w *terminal) untilLike(shown string) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := like(shown, w.text())
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("$ %s\n%v", w.command, err)
		}
	}
}

// like tells whether output is what a document shows: the same words in the same lines, ages aside. Lines may come twice,
// as they do in a watch.
func like(shown, out string) error {
	want, got := lines(shown), lines(out)
	for _, line := range want {
		for len(got) > 0 && got[0] != line {
			got = got[1:]
		}
		if len(got) == 0 {
			return fmt.Errorf("there is no line %q, or not in this order", line)
		}
	}
	return nil
}

func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		for i, word := range words {
			if _, err := time.ParseDuration(word); err == nil && strings.ContainsAny(word, "smh") {
				words[i] = "AGE"
			}
		}
		if len(words) > 0 {
			all = append(all, strings.Join(words, " "))
		}
	}
	return all
}
