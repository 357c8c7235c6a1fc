package cluster

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

const startTimeout = 2 * time.Minute

// process is a running control plane and the folder that holds its data.
type process struct {
	dir        string
	url        string
	kubeconfig string
	auditLog   string

	cmd    *exec.Cmd
	stderr tail
	ended  chan error // what the process ended with
	once   sync.Once
	err    error
}

// launch starts the binary on a free port and returns when it is ready.
func launch(root string, o options) (*process, error) {
	bin, err := binary(root)
	if err != nil {
		return nil, err
	}
	dir, err := tempDir()
	if err != nil {
		return nil, err
	}
	p := &process{dir: dir, kubeconfig: filepath.Join(dir, "kubeconfig"), ended: make(chan error, 1)}
	args := []string{"--data", filepath.Join(dir, "data"), "--kubeconfig", p.kubeconfig, "--unsafe-no-fsync"}
	if o.auditLog {
		p.auditLog = filepath.Join(dir, "audit.log")
		args = append(args, "--audit-log", p.auditLog)
	}
	p.cmd = exec.Command(bin, append(args, o.flags...)...)
	// A child that dies with us, whatever we die of: panic, time-out, SIGKILL.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.run(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return p, nil
}

// run starts the command and waits for its line "ready URL in 2.1s".
func (p *process) run() error {
	p.cmd.Stderr = &p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	started := make(chan error)
	go func() {
		// The death signal is sent when the thread that forked ends, so that
		// thread must stay: it waits for the child.
		runtime.LockOSThread()
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
	case <-time.After(startTimeout):
	}
	p.cmd.Process.Kill()
	err = <-p.ended
	return fmt.Errorf("%s: %w\n%s", filepath.Base(p.cmd.Path), err, p.lastWords())
}

// stop ends the process and removes its data; only the first call does. It is
// killed: going down gently takes a second, to save data that nobody will read.
func (p *process) stop() error {
	p.once.Do(func() {
		defer os.RemoveAll(p.dir)
		select {
		case err := <-p.ended:
			p.err = fmt.Errorf("it had ended by itself: %w\n%s", err, p.lastWords())
		default:
			p.cmd.Process.Kill()
			<-p.ended
		}
	})
	return p.err
}

// lastWords are what it said on stderr and the end of its log.
func (p *process) lastWords() string {
	return p.stderr.String() + lastLines(filepath.Join(p.dir, "data", "controlplane.log"), 20)
}

// tempDir makes a folder named after this process, and removes those of test
// processes that were killed before they could.
func tempDir() (string, error) {
	const prefix = "stargate-cluster-"
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	for _, dir := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-")
		if _, err := os.Stat("/proc/" + pid); errors.Is(err, os.ErrNotExist) {
			os.RemoveAll(dir)
		}
	}
	return os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid()))
}

// tail keeps the last bytes written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-8<<10):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

func lastLines(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n-1):], nil))
}
