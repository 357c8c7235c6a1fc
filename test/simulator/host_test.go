package simulator_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"stargate.io/stargate/test/output"
)

// top of the checkout, from here.
const top = "../.."

// The versions that the test disks say they are.
const first, second = "12.1", "12.2"

// patience is how long a machine may take to come up, join and be ready, without KVM and beside others.
const patience = 15 * time.Minute

// host is one Linux host with a simulator: folders, an environment, and programs that run.
type host struct {
	*testing.T
	// dir has short paths: sockets are in it.
	dir    string
	images string
	env    []string
	// programs that were started, in order.
	programs []*program
}

func newHost(t *testing.T) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("it makes a network namespace and runs the simulator: run the tests as root")
	}
	for _, tool := range []string{"qemu-system-x86_64", "qemu-img", "ssh", "kubectl", "openssl", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is missing: apt-get install qemu-system-x86 qemu-utils openssh-client kubernetes-client openssl", tool)
		}
	}
	dir, err := os.MkdirTemp("", "sgs") //nolint:usetesting // sockets and etcd need short paths
	if err != nil {
		t.Fatal(err)
	}
	checkout, err := filepath.Abs(top)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{T: t, dir: dir, images: filepath.Join(dir, "images")}
	h.env = append(os.Environ(), "STARGATE_STATE="+filepath.Join(dir, "state"), "KUBECONFIG="+h.kubeconfig(), "MAKEFLAGS=", "MAKELEVEL=",
		"PATH="+filepath.Join(checkout, "bin")+":"+os.Getenv("PATH"))
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	h.disks()
	return h
}

// The folders.
func (h *host) kubeconfig() string       { return filepath.Join(h.dir, "state", "kubeconfig") }
func (h *host) simulatorState() string   { return filepath.Join(h.dir, "sim") }
func (h *host) demo() string             { return filepath.Join(h.dir, "demo") }
func (h *host) disk(name string) string  { return filepath.Join(h.images, name+".qcow2") }
func (h *host) machine(n string) string  { return filepath.Join(h.simulatorState(), "machines", n) }
func (h *host) imageURL(v string) string { return "file://" + h.disk("node-"+v) }

// disks puts the test disks where the simulator may read them; it skips where they were not made.
func (h *host) disks() {
	h.Helper()
	if err := os.MkdirAll(h.images, 0o755); err != nil {
		h.Fatal(err)
	}
	for _, version := range []string{first, second} {
		out, err := exec.Command(filepath.Join(top, "hack/nodeimage.sh"), "-", "--if-cached", "--version", version).Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 3 {
			h.Skip("the test disks were not made: make test-images")
		}
		if err != nil {
			h.Fatalf("looking for the test disk: %v", err)
		}
		if err := os.Link(strings.TrimSpace(string(out)), h.disk("node-"+version)); err != nil {
			h.run("cp", "--reflink=auto", strings.TrimSpace(string(out)), h.disk("node-"+version))
		}
	}
}

// run a command to its end, and give what it printed.
func (h *host) run(name string, args ...string) string {
	h.Helper()
	out, err := h.try(name, args...)
	if err != nil {
		h.Fatalf("$ %s %s\n%s%v", name, strings.Join(args, " "), out, err)
	}
	return out
}

// try a command, which may fail.
func (h *host) try(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = top, h.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// program is one that runs until it is told to end.
type program struct {
	cmd    *exec.Cmd
	output output.Buffer
	ended  chan struct{}
}

// start a program that runs beside the test; it ends with it.
func (h *host) start(name string, args ...string) *program {
	h.Helper()
	p := &program{cmd: exec.Command(name, args...), ended: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = top, h.env
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		h.Fatal(err)
	}
	h.programs = append(h.programs, p)
	go func() {
		_ = p.cmd.Wait() // how it ended is looked at by who ended it
		close(p.ended)
	}()
	h.Cleanup(func() {
		p.end(syscall.SIGTERM)
		if h.Failed() {
			h.Logf("%s said:\n%s", filepath.Base(name), p.output.Tail())
		}
	})
	return p
}

// end a program by a signal, and wait for its end. One that does not listen is killed.
func (p *program) end(signal syscall.Signal) {
	_ = p.cmd.Process.Signal(signal) // it fails only where the process is gone
	select {
	case <-p.ended:
	case <-time.After(time.Minute):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// until something is so; what it was last is told where it never is.
func (h *host) until(what string, limit time.Duration, is func() (bool, string)) {
	h.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, last := is()
		if ok {
			return
		}
		select {
		case <-deadline.C:
			h.Fatalf("after %s not so: %s; the last:\n%s", limit, what, last)
		case <-tick.C:
		}
	}
}
