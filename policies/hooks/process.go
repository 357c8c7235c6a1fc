package hooks

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"stargate.io/stargate/policies/hooks/wire"
	"stargate.io/stargate/policies/hooks/worker"
)

// process is a worker as its parent sees it.
type process struct {
	cmd  *exec.Cmd
	in   *os.File
	out  *bufio.Reader
	pipe *os.File
	says tail
	// ended is closed once it has ended and was waited for.
	ended chan struct{}
	runs  int
	peak  int64
}

// tail keeps the beginning of what a worker prints as it dies; the runtime tells first what happened.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const maxTail = 2 << 10

func (t *tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, text[:min(len(text), maxTail-len(t.text))]...)
	return len(text), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}

// starter starts workers from a thread of its own that lives as long as they: the kernel ends them with it.
type starter struct {
	path   string
	memory int64
	orders chan chan started
	begin  func()
}

type started struct {
	*process
	err error
}

func newStarter(path string, memory int64) *starter {
	s := &starter{path: path, memory: memory, orders: make(chan chan started)}
	s.begin = sync.OnceFunc(func() { go s.serve() }) // no thread for who has no hooks
	return s
}

func (s *starter) serve() {
	runtime.LockOSThread() // for good: the thread ends with this
	for order := range s.orders {
		p, err := s.start()
		order <- started{p, err}
	}
}

func (s *starter) order() (*process, error) {
	s.begin()
	order := make(chan started, 1)
	s.orders <- order
	got := <-order
	return got.process, got.err
}

// start a worker in namespaces of its own, where the kernel lets us: in a network without interfaces, and as a user
// without rights. Elsewhere it has but no descriptors, no way to code that opens any, and the bounds.
func (s *starter) start() (*process, error) {
	if os.Args[0] == worker.Arg0 {
		return nil, fmt.Errorf("starting a worker: a worker starts none")
	}
	if p, err := s.startIn(syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC); err == nil {
		return p, nil
	}
	p, err := s.startIn(0)
	if err != nil {
		return nil, fmt.Errorf("starting a worker: %w", err)
	}
	return p, nil
}

func (s *starter) startIn(namespaces uintptr) (*process, error) {
	fromUs, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, toUs, err := os.Pipe()
	if err != nil {
		_, _ = fromUs.Close(), in.Close()
		return nil, err
	}
	p := &process{in: in, pipe: out, out: bufio.NewReaderSize(out, 64<<10), ended: make(chan struct{})}
	p.cmd = &exec.Cmd{
		Path: s.path, Args: []string{worker.Arg0, strconv.FormatInt(s.memory>>20, 10)}, Env: []string{}, Dir: "/",
		Stdin: fromUs, Stderr: &p.says, ExtraFiles: []*os.File{toUs},
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: namespaces, Pdeathsig: syscall.SIGKILL, Setpgid: true},
		WaitDelay:   time.Second,
	}
	err = p.cmd.Start()
	_, _ = fromUs.Close(), toUs.Close()
	if err != nil {
		_, _ = in.Close(), out.Close()
		return nil, err
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in ProcessState
		close(p.ended)
	}()
	return p, nil
}

// kill it, whatever it does, and what it may have started. It is waited for in the background.
func (p *process) kill() {
	if p.alive() { // or its number may be another's
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	_ = p.cmd.Process.Kill()
}

// close gives back what it holds here, after its end.
func (p *process) close() {
	p.kill()
	<-p.ended
	_, _ = p.in.Close(), p.pipe.Close()
}

func (p *process) alive() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// outOfMemory tells whether it died of a bound on its memory: its own, the kernel's, or the runtime's on its stack.
func (p *process) outOfMemory() bool {
	if p.cmd.ProcessState.ExitCode() == wire.ExitMemory {
		return true
	}
	text := p.says.String()
	for _, sign := range []string{"out of memory", "cannot allocate memory", "stack exceeds", "stack overflow", "failed to create new OS thread"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}
