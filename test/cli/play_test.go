package cli_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"
)

// patience with one expectation.
const patience = 30 * time.Second

// play [-tty] CODE STEPS COMMAND... runs a command and plays along, step by step:
//
//	expect REGEXP          wait until that was printed, after what the last expect found
//	status KIND NAME JSON  write a status, as the command status does
//	apply FILE             create objects, as the command apply does
//	type TEXT              type a line (with -tty)
//	signal INT             send a signal
//
// With -tty the command has a terminal of 100 columns, and what it drew is in stdout.
func (s *suite) play(ts *testscript.TestScript, _ bool, args []string) {
	tty := len(args) > 0 && args[0] == "-tty"
	if tty {
		args = args[1:]
	}
	if len(args) < 3 {
		ts.Fatalf("usage: play [-tty] CODE STEPS COMMAND...")
	}
	wanted, err := strconv.Atoi(args[0])
	ts.Check(err)
	p := start(ts, tty, args[2:])
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := s.step(ts, p, line); err != nil {
			_ = p.cmd.Process.Kill()
			_ = p.wait()
			ts.Fatalf("%s: %v\nprinted so far:\n%s", line, err, p.seen.String())
		}
	}
	if got := exitCode(ts, p.wait()); got != wanted {
		ts.Fatalf("%s: exit code %d, want %d; printed:\n%s", strings.Join(args[2:], " "), got, wanted, p.seen.String())
	}
	_, err = ts.Stdout().Write(p.stdout.Bytes())
	ts.Check(err)
	_, err = ts.Stderr().Write(p.stderr.Bytes())
	ts.Check(err)
}

func (s *suite) step(ts *testscript.TestScript, p *player, line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "expect":
		return p.expect(rest)
	case "status":
		words := strings.SplitN(rest, " ", 3)
		if len(words) != 3 {
			return errors.New("usage: status KIND NAME JSON")
		}
		return s.writeStatus(ts.Getenv("NS"), words[0], words[1], words[2])
	case "apply":
		s.apply(ts, false, strings.Fields(rest))
		return nil
	case "type":
		_, err := io.WriteString(p.terminal, rest+"\n")
		return err
	case "signal":
		return p.cmd.Process.Signal(map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}[rest])
	}
	return errors.New("no such step")
}

// player is a command that runs.
type player struct {
	cmd      *exec.Cmd
	terminal *os.File
	stdout   bytes.Buffer
	stderr   bytes.Buffer

	mu      sync.Mutex
	seen    bytes.Buffer // all that was printed, in order
	at      int          // where the last expectation ended
	changed chan struct{}
	copied  sync.WaitGroup
}

func start(ts *testscript.TestScript, tty bool, args []string) *player {
	path := ts.Getenv("PATH")
	binary := args[0]
	for _, dir := range strings.Split(path, ":") {
		if _, err := os.Stat(dir + "/" + args[0]); err == nil {
			binary = dir + "/" + args[0]
			break
		}
	}
	p := &player{cmd: exec.Command(binary, args[1:]...), changed: make(chan struct{}, 1)}
	p.cmd.Dir = ts.Getenv("WORK")
	p.cmd.Env = append(os.Environ(), "PATH="+path, "HOME="+ts.Getenv("HOME"), "KUBECONFIG="+ts.Getenv("KUBECONFIG"),
		"TERM="+ts.Getenv("TERM"), "NO_COLOR="+ts.Getenv("NO_COLOR"))
	if tty {
		terminal, err := pty.StartWithSize(p.cmd, &pty.Winsize{Rows: 30, Cols: 100})
		ts.Check(err)
		p.terminal = terminal
		p.copied.Go(func() { p.copy(&p.stdout, terminal) })
		return p
	}
	stdout, err := p.cmd.StdoutPipe()
	ts.Check(err)
	stderr, err := p.cmd.StderrPipe()
	ts.Check(err)
	ts.Check(p.cmd.Start())
	p.copied.Go(func() { p.copy(&p.stdout, stdout) })
	p.copied.Go(func() { p.copy(&p.stderr, stderr) })
	return p
}

// copy keeps what is printed, and wakes who waits for it. A terminal ends with an error, which is
// how it tells that nobody is left on the other side.
func (p *player) copy(into *bytes.Buffer, from io.Reader) {
	chunk := make([]byte, 4<<10)
	for {
		n, err := from.Read(chunk)
		p.mu.Lock()
		into.Write(chunk[:n])
		p.seen.Write(chunk[:n])
		p.mu.Unlock()
		select {
		case p.changed <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (p *player) expect(pattern string) error {
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		p.mu.Lock()
		found := compiled.FindIndex(p.seen.Bytes()[p.at:])
		if found != nil {
			p.at += found[1]
		}
		p.mu.Unlock()
		if found != nil {
			return nil
		}
		select {
		case <-p.changed:
		case <-deadline.C:
			return errors.New("not printed in time")
		}
	}
}

// wait ends with the command, once everything that it printed was read.
func (p *player) wait() error {
	p.copied.Wait()
	err := p.cmd.Wait()
	if p.terminal != nil {
		_ = p.terminal.Close()
	}
	return err
}
