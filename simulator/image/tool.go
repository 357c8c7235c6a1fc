package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tool that reads and writes images.
const tool = "qemu-img"

// given is the file that a call is about: a descriptor that the tool inherits, so that it reads what was hashed. made is the
// one that it writes. The tool opens them again by these names, for which it needs no right to any folder.
const (
	given = "/dev/fd/3"
	made  = "/dev/fd/4"
)

// Bounds of one call, whatever it is told to do.
const (
	maxMemory = 2 << 30 // of address space: reading a header should not need the tenth
	maxSaid   = 64 << 10
	infoTime  = 30 * time.Second
)

// order of one call. All of its words are ours, but for paths, which begin with a slash.
type order struct {
	args []string
	// file becomes given; nil for none. The file at out is made, and becomes made; empty for none.
	file *os.File
	out  string
	time time.Duration
	// output bounds each file that it writes; full says that it is the host that bounds.
	output int64
	full   bool
	// line gets what it prints, piece by piece; without it that is collected.
	line func([]byte)
	// fine is an exit code besides 0 that is no failure.
	fine int
}

// run the tool within its bounds, as a user of its own. It ends with us, and with the context.
func (s *Store) run(ctx context.Context, o order) ([]byte, error) {
	path, err := exec.LookPath(tool)
	if err != nil {
		return nil, fmt.Errorf("converting the image: %s is missing: install qemu-utils", tool)
	}
	user, err := s.runAs.Take()
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", tool, err)
	}
	defer user.Release()
	ctx, cancel := context.WithTimeoutCause(ctx, o.time, fail(TooLarge, "%s %s took more than %s", tool, o.args[0], o.time))
	defer cancel()
	said, complaint := &said{each: o.line}, &said{}
	cmd := bounded(ctx, o.output, path, o.args)
	cmd.Env, cmd.Dir = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}, "/"
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = said, complaint, 5*time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: user.Credential()}
	back, err := o.lend(cmd, user)
	if err == nil {
		err = finish(cmd)
	}
	failed := back(context.WithoutCancel(ctx))
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if failed != nil {
		return nil, failed
	}
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == o.fine) {
		return nil, o.failed(err, strings.TrimSpace(string(complaint.text)))
	}
	return said.text, nil
}

// bounds the shell puts on itself before it becomes the tool: to bound a process of another user takes a right that root
// does not have in every container, and comes when it has begun. Files are counted in units of 512 bytes, memory in KiB.
const bounds = `set -e; ulimit -c 0; ulimit -v "$1"; ulimit -f "$2"; shift 2; exec "$@"`

// bounded gives a command that runs a program within bounds on its address space and on each file that it writes, in bytes.
func bounded(ctx context.Context, output int64, program string, args []string) *exec.Cmd {
	words := []string{"-c", bounds, "sh", strconv.Itoa(maxMemory >> 10), strconv.FormatInt(output/sector, 10), program}
	return exec.CommandContext(ctx, "/bin/sh", append(words, args...)...) //nolint:gosec // no word of it is anybody's but ours
}

// finish starts a command and waits for its end. The kernel ends it with the thread that started it, which therefore stays,
// and is of no other use afterwards: nothing that it starts gains by a program's setuid bit.
func finish(cmd *exec.Cmd) error {
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, which ends the thread with the function
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			ended <- fmt.Errorf("bounding %s: %w", tool, err)
			return
		}
		ended <- cmd.Run()
	}()
	return <-ended
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
