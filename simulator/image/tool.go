package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tool that reads and writes images.
const tool = "qemu-img"

// given is the file that a call is about: a descriptor that the tool inherits, so that it reads what was hashed.
const given = "/dev/fd/3"

// Bounds of one call, whatever it is told to do.
const (
	maxMemory = 2 << 30 // of address space: reading a header should not need the tenth
	maxSaid   = 64 << 10
	infoTime  = 30 * time.Second
)

// order of one call. All of its words are ours, but for paths, which begin with a slash.
type order struct {
	args []string
	file *os.File // becomes given; nil for none
	time time.Duration
	// output bounds each file that it writes; full says that it is the host that bounds.
	output int64
	full   bool
	// line gets what it prints, piece by piece; without it that is collected.
	line func([]byte)
	// fine is an exit code besides 0 that is no failure.
	fine int
}

// run the tool within its bounds. It ends with us, and with the context.
func (s *Store) run(ctx context.Context, o order) ([]byte, error) {
	path, err := exec.LookPath(tool)
	if err != nil {
		return nil, fmt.Errorf("converting the image: %s is missing: install qemu-utils", tool)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.time, fail(TooLarge, "%s %s took more than %s", tool, o.args[0], o.time))
	defer cancel()
	said, complaint := &said{each: o.line}, &said{}
	cmd := exec.CommandContext(ctx, path, o.args...) //nolint:gosec // no word of it is anybody's but ours
	cmd.Env, cmd.Dir = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}, "/"
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = said, complaint, 5*time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if o.file != nil {
		cmd.ExtraFiles = []*os.File{o.file}
	}
	err = bounded(cmd, o.output)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == o.fine) {
		return nil, o.failed(err, strings.TrimSpace(string(complaint.text)))
	}
	return said.text, nil
}

// bounded starts a command, bounds it and waits for its end. The kernel ends it with the thread that started it, which
// therefore stays. Its bounds are set when it has just begun, before it can have written or mapped much.
func bounded(cmd *exec.Cmd, output int64) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return err
	}
	for _, bound := range []struct {
		resource int
		value    int64
	}{{unix.RLIMIT_FSIZE, output}, {unix.RLIMIT_AS, maxMemory}, {unix.RLIMIT_CORE, 0}} {
		limit := unix.Rlimit{Cur: uint64(bound.value), Max: uint64(bound.value)} //nolint:gosec // sizes are not negative
		if err := unix.Prlimit(cmd.Process.Pid, bound.resource, &limit, nil); err != nil && !errors.Is(err, unix.ESRCH) {
			return errors.Join(fmt.Errorf("bounding %s: %w", tool, err), cmd.Process.Kill(), cmd.Wait())
		}
	}
	return cmd.Wait()
}

// failed tells what a call's failure means. What the tool says is quoted: it names paths of ours and the image's errors.
func (o order) failed(err error, complaint string) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("running %s %s: %w", tool, o.args[0], err)
	}
	signal, _ := exit.Sys().(syscall.WaitStatus)
	grewTooLarge := signal.Signaled() && signal.Signal() == syscall.SIGXFSZ || strings.Contains(complaint, "File too large")
	switch {
	case grewTooLarge && o.full || strings.Contains(complaint, "No space left"):
		return fail(HostFull, "there is no room to convert it: free some of the disk")
	case grewTooLarge:
		return fail(TooLarge, "it becomes more than %d MiB when it is converted", o.output>>20)
	case signal.Signaled():
		return fail(Unavailable, "%s %s was ended by a signal: %s", tool, o.args[0], signal.Signal())
	}
	return fail(Unsafe, "%s %s: %.400q", tool, o.args[0], complaint)
}

// said keeps what a command prints, up to a bound, or gives it piece by piece.
type said struct {
	text []byte
	each func([]byte)
}

func (s *said) Write(text []byte) (int, error) {
	if s.each != nil {
		s.each(text)
	} else {
		s.text = append(s.text, text[:min(len(text), maxSaid-len(s.text))]...)
	}
	return len(text), nil
}
