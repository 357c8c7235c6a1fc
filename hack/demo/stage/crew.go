package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const lockName = "lock"

// crew is the demo's processes, and the folder that they share.
type crew struct {
	dir      string
	keep     bool
	lock     *os.File
	screen   *screen
	children []*child
}

// child is one process. done is closed once it ended.
type child struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan struct{}
	err  error
}

// takeStage makes sure that this demo is the only one of its folder, and ends what an earlier one left.
func takeStage(ctx context.Context, dir string, keep bool, screen *screen) (*crew, error) {
	c := &crew{dir: dir, keep: keep, screen: screen}
	begin, told := time.Now(), false
	for {
		taken, err := c.tryLock()
		if err != nil {
			return nil, err
		}
		if taken {
			return c, c.clear()
		}
		if time.Since(begin) > 30*time.Second {
			return nil, fmt.Errorf("taking %s: another demo runs in this checkout: interrupt that one first", dir)
		}
		if !told {
			screen.say("another demo runs in this checkout; waiting for its end")
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// tryLock takes the lock in the folder, unless another demo has it or just removed it.
func (c *crew) tryLock() (bool, error) {
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return false, fmt.Errorf("making the demo's folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(c.dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("opening the demo's lock: %w", err)
	}
	ours, err := lock.Stat()
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	there, gone := os.Stat(lock.Name())
	if err == nil && gone == nil && os.SameFile(ours, there) {
		c.lock = lock
		return true, nil
	}
	if err = errors.Join(err, lock.Close()); err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
		return false, fmt.Errorf("taking the demo's lock: %w", err)
	}
	return false, nil
}

// leave lets go of the folder.
func (c *crew) leave() { _ = c.lock.Close() } // closing a file that was only locked loses nothing

func (c *crew) record() string { return filepath.Join(c.dir, "processes") }

// clear ends what an earlier demo left running and removes its files.
func (c *crew) clear() error {
	text, err := os.ReadFile(c.record())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading what an earlier demo left: %w", err)
	}
	var left []process
	for line := range strings.Lines(string(text)) {
		if p, ok := parseProcess(line); ok && p.alive() {
			left = append(left, p)
		}
	}
	for i := len(left) - 1; i >= 0; i-- { // the control plane came first and goes last
		c.screen.say("ending what an earlier demo left: %s, pid %d", left[i].name, left[i].pid)
		if err := left[i].end(); err != nil {
			return err
		}
	}
	return c.tidy()
}

// tidy empties the folder but for the lock.
func (c *crew) tidy() error {
	files, err := os.ReadDir(c.dir)
	if err != nil {
		return fmt.Errorf("reading the demo's folder: %w", err)
	}
	for _, file := range files {
		if file.Name() == lockName {
			continue
		}
		if err := os.RemoveAll(filepath.Join(c.dir, file.Name())); err != nil {
			return fmt.Errorf("removing the demo's files: %w", err)
		}
	}
	return nil
}

// remove takes the folder away.
func (c *crew) remove() error {
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("removing the demo's folder: %w", err)
	}
	return nil
}

// start runs a program of bin/, or one that is named by its whole path, in the background, with what it says in a log of its own.
func (c *crew) start(name, program string, args ...string) (*child, error) {
	log, err := os.Create(filepath.Join(c.dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("making a log: %w", err)
	}
	defer log.Close() //nolint:errcheck // the child has its own descriptor
	if !filepath.IsAbs(program) {
		program = filepath.Join("bin", program)
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	// Ctrl-C is for the demo, which ends them in order; if it cannot, they die with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if !c.keep {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	started := &child{name: name, cmd: cmd, log: log.Name(), done: make(chan struct{})}
	c.children = append(c.children, started)
	go func() {
		started.err = cmd.Wait()
		close(started.done)
	}()
	return started, c.note(process{pid: cmd.Process.Pid, name: name})
}

// note puts a process on record for the next demo.
func (c *crew) note(p process) error {
	p.began = beganAt(p.pid)
	file, err := os.OpenFile(c.record(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the record of processes: %w", err)
	}
	_, err = fmt.Fprintln(file, p)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing the record of processes: %w", err)
	}
	return nil
}

// trouble is the first child that ended by itself.
func (c *crew) trouble() error {
	for _, each := range c.children {
		select {
		case <-each.done:
			return fmt.Errorf("%s ended (%w): %s", each.name, each.err, lastLine(each.log))
		default:
		}
	}
	return nil
}

// stop ends the children, the last first.
func (c *crew) stop() error {
	var failed error
	for i := len(c.children) - 1; i >= 0; i-- {
		failed = errors.Join(failed, c.children[i].stop())
	}
	return failed
}

func (c *child) stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // fails where it ended already
	select {
	case <-c.done:
		return nil
	case <-time.After(20 * time.Second):
	}
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("killing %s: %w", c.name, err)
	}
	<-c.done
	return fmt.Errorf("%s had to be killed: it did not stop within 20 s", c.name)
}

func lastLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// until waits for something that a child is to bring about.
func (c *child) until(ctx context.Context, patience time.Duration, is func() bool) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for !is() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.done:
			return fmt.Errorf("%s ended at once: %s", c.name, lastLine(c.log))
		case <-deadline.C:
			return fmt.Errorf("%s is not ready after %s: %s", c.name, patience, lastLine(c.log))
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
