// Package e2e drives the built binary from outside: flags, files, signals, HTTP.
// Nothing here imports the parts it tests.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// patience is how long anything may take before it counts as not happening.
const patience = 60 * time.Second

var (
	bin    string
	shared *plane // for tests that mind only their own objects
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if bin = os.Getenv("STARGATE_CONTROLPLANE"); bin == "" {
		build := exec.Command("../../hack/controlplane.sh", "build")
		build.Stderr = os.Stderr
		out, err := build.Output()
		if err != nil {
			fmt.Fprintln(os.Stderr, "building the control plane:", err)
			return 1
		}
		bin = strings.TrimSpace(string(out))
	}
	dir, err := os.MkdirTemp("", "controlplane-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	shared = newPlane(dir, "--unsafe-no-fsync", "--audit-log", filepath.Join(dir, "audit.log"))
	if err := shared.start(); err != nil {
		fmt.Fprintln(os.Stderr, "starting the shared control plane:", err)
		return 1
	}
	code := m.Run()
	if err := shared.stop(syscall.SIGTERM); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the shared control plane:", err)
		code = max(code, 1)
	}
	return code
}

// plane is the binary with a data folder; it can be started more than once.
type plane struct {
	dir   string
	flags []string

	cmd    *exec.Cmd
	url    string
	stderr bytes.Buffer // safe to read once ended
	ended  chan error
}

func newPlane(dir string, flags ...string) *plane { return &plane{dir: dir, flags: flags} }

// begin starts the binary for t alone; whatever becomes of t, it ends with it.
func begin(t *testing.T, flags ...string) *plane {
	t.Helper()
	p := newPlane(t.TempDir(), append([]string{"--unsafe-no-fsync"}, flags...)...)
	p.restart(t)
	t.Cleanup(func() { p.stop(syscall.SIGKILL) })
	return p
}

func (p *plane) restart(t *testing.T) {
	t.Helper()
	if err := p.start(); err != nil {
		t.Fatalf("starting: %v", err)
	}
}

func (p *plane) data() string       { return filepath.Join(p.dir, "data") }
func (p *plane) kubeconfig() string { return filepath.Join(p.dir, "kubeconfig") }

// start returns when the binary says that it is ready, or with its stderr.
func (p *plane) start() error {
	p.cmd = exec.Command(bin, append([]string{"--data", p.data(), "--kubeconfig", p.kubeconfig()}, p.flags...)...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.stderr.Reset()
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	p.ended = make(chan error, 1)
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the death signal comes when the thread that forked ends
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.ended <- p.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	line := make(chan string, 1)
	go func() {
		s, _ := bufio.NewReader(stdout).ReadString('\n')
		line <- s
		io.Copy(io.Discard, stdout)
	}()
	select {
	case s := <-line:
		if _, err := fmt.Sscanf(s, "ready %s in", &p.url); err == nil {
			return nil
		}
	case <-time.After(patience):
		p.cmd.Process.Kill()
	}
	return fmt.Errorf("%w: %s", <-p.ended, p.stderr.String())
}

// stop sends the signal and returns what the process ended with.
func (p *plane) stop(sig syscall.Signal) error {
	if p.cmd == nil || p.cmd.ProcessState != nil {
		return nil
	}
	p.cmd.Process.Signal(sig)
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		p.cmd.Process.Kill()
		return errors.Join(fmt.Errorf("still there %s after %s", patience, sig), <-p.ended)
	}
}

func (p *plane) config(t *testing.T) *rest.Config {
	t.Helper()
	c, err := clientcmd.BuildConfigFromFlags("", p.kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	c.QPS = -1
	return c
}

func (p *plane) client(t *testing.T) kubernetes.Interface {
	t.Helper()
	return clientFor(t, p.config(t))
}

func clientFor(t *testing.T, c *rest.Config) kubernetes.Interface {
	t.Helper()
	k, err := kubernetes.NewForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// eventually polls until ok returns nil, and fails t with what it said last.
func eventually(t *testing.T, ok func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := ok(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("after %s still: %v", patience, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
