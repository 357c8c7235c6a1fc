// Package demo_test runs the demo as people do, and looks for what it leaves.
package demo_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"stargate.io/stargate/test/output"
)

// program is the demo, built once.
var program string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "demo")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chdir("../.."); err != nil { // where make runs
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	program = filepath.Join(dir, "demo")
	if out, err := exec.Command("go", "build", "-o", program, "./hack/demo").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the demo: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// stage is a folder for demos, of a name short enough for etcd's socket.
func stage(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "demo") //nolint:usetesting // etcd's socket needs a short name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range running(t, dir) {
			t.Errorf("still running: %s", p)
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func start(t *testing.T, dir string, args ...string) (*exec.Cmd, *output.Buffer) {
	t.Helper()
	out := &output.Buffer{}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "STARGATE_STATE="+dir, "KUBECONFIG=/nowhere")
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

func mustPass(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd, out := start(t, dir, args...)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out.String()
}

func mustSay(t *testing.T, out string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(out, word) {
			t.Errorf("%q is not said in\n%s", word, out)
		}
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	dir := stage(t)
	out := mustPass(t, dir)
	mustSay(t, out, "held    by the guard: 40 servers", "$ stargate approve fleet stargate-demo", "failed  demo-west/web-003", "retried demo-west/web-003",
		"$ stargate rollout approve gpu -n demo-east --wave others", "[7/7]", "$ stargate explain operation reboot-gpu-001", "two-people-for-gpu", "$ stargate approve operation reboot-gpu-001", "rebooted, asked for by bob and approved by ann",
		"\nPASS  72 repaves, each server once for each commit that changed it (web-003 at the second attempt), at most 1 at once of a rack")
	if left := running(t, dir); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

// TestKilled: what a demo started dies with it.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := stage(t)
	cmd, out := start(t, dir)
	until(t, out, "the first repaves", func() bool { return strings.Contains(out.String(), "running") })
	kill(t, cmd)
	until(t, out, "the end of its processes", func() bool { return len(running(t, dir)) == 0 })
}

// TestKeptThenKilled: a demo that was to leave everything running, and was killed, is cleaned up by the next, which
// works and can be ended.
func TestKeptThenKilled(t *testing.T) {
	t.Parallel()
	dir := stage(t)
	cmd, out := start(t, dir, "-keep")
	until(t, out, "the first repaves", func() bool { return strings.Contains(out.String(), "running") })
	kill(t, cmd)
	first := running(t, dir)
	if len(first) != 5 {
		t.Errorf("got %v, want a control plane, two datacenters, a git server and a controller", first)
	}
	said := mustPass(t, dir, "-keep")
	mustSay(t, said, "ending what an earlier demo left: controlplane", "\nPASS  72 repaves", "export KUBECONFIG=", "make demo-down")
	kept := running(t, dir)
	for _, old := range first {
		for _, p := range kept {
			if old.pid == p.pid {
				t.Errorf("%s outlived the next demo", old)
			}
		}
	}
	get := exec.Command("kubectl", "--kubeconfig", filepath.Join(dir, "demo", "kubeconfig"), "get", "servers", "-A")
	if list, err := get.CombinedOutput(); err != nil || strings.Count(string(list), "ready   2.1.0") != 32 {
		t.Errorf("kubectl: %v\n%s", err, list)
	}
	mustPass(t, dir, "-down")
	if left := running(t, dir); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
}

// TestSparesOthers: a pid on record that is somebody else's by now is left alone.
func TestSparesOthers(t *testing.T) {
	t.Parallel()
	dir := stage(t)
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer other.Process.Kill()
	if err := os.MkdirAll(filepath.Join(dir, "demo"), 0o700); err != nil {
		t.Fatal(err)
	}
	record := fmt.Sprintf("%d 12345 controller\n", other.Process.Pid)
	if err := os.WriteFile(filepath.Join(dir, "demo", "processes"), []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	mustPass(t, dir, "-down")
	if err := other.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("a process that was not the demo's is gone: %v", err)
	}
}

// TestInterrupted: Ctrl-C ends it in order.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	dir := stage(t)
	cmd, out := start(t, dir)
	until(t, out, "the world", func() bool { return strings.Contains(out.String(), "[4/7]") })
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("got %v, want 130\n%s", err, out)
	}
	if left := running(t, dir); len(left) > 0 {
		t.Errorf("left running: %v", left)
	}
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
}

// until waits for two minutes at most: the first build may be going on.
func until(t *testing.T, out *output.Buffer, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) || strings.Contains(out.String(), "FAIL") {
			t.Fatalf("waiting for %s:\n%s", what, out)
		}
	}
}

type process struct {
	pid  int
	line string
}

func (p process) String() string { return fmt.Sprintf("%d %s", p.pid, p.line) }

// running are the processes whose arguments speak of a folder.
func running(t *testing.T, dir string) []process {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []process
	for _, path := range paths {
		text, _ := os.ReadFile(path) // it may have ended
		line := strings.ReplaceAll(string(text), "\x00", " ")
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if strings.Contains(line, dir) && pid != os.Getpid() {
			found = append(found, process{pid, line})
		}
	}
	return found
}
