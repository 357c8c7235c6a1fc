package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrGone says that the process is not there any more.
var ErrGone = errors.New("the process is gone")

// Identity is one process, and never another that got its number later.
type Identity struct {
	PID int `json:"pid"`
	// StartTime in clock ticks since the host's boot, and which boot of the host that was.
	StartTime uint64 `json:"startTime"`
	BootID    string `json:"bootID"`
	// UUID of the machine, which is among the process's arguments.
	UUID string `json:"uuid"`
}

// Process is a running machine as its own arguments tell.
type Process struct {
	Identity
	Name string
	// Disk is the path in its arguments.
	Disk string
	// Accelerator that it was started with.
	Accelerator string
	// User that it runs as. Its arguments are what it says of itself; of this the kernel does.
	User uint32
}

// Find tells whether an identity's process still runs.
func Find(id Identity) bool {
	if id.PID <= 0 || id.BootID != hostBoot() {
		return false
	}
	now, err := identify(id.PID)
	return err == nil && now.Identity == id
}

// Running gives the machines whose disks are under a folder, found by the arguments of the host's processes. So it
// also knows one whose starter was killed before it could write the process down.
func Running(folder string) ([]Process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var found []Process
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// A process that ends while it is looked at is one that does not run.
		if p, err := identify(pid); err == nil && strings.HasPrefix(p.Disk, folder+string(filepath.Separator)) {
			found = append(found, p)
		}
	}
	return found, nil
}

// identify reads what a process is. A process that is dead and not yet waited for is gone.
func identify(pid int) (Process, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	raw, err := os.ReadFile(filepath.Join(dir, "cmdline")) //nolint:gosec // of /proc, by number
	if err != nil {
		return Process{}, fmt.Errorf("reading the arguments of process %d: %w", pid, err)
	}
	argv := strings.Split(string(bytes.TrimSuffix(raw, []byte{0})), "\x00")
	p := Process{Identity: Identity{PID: pid, UUID: after(argv, "-uuid"), BootID: hostBoot()}, Disk: diskOf(argv)}
	if p.UUID == "" || p.Disk == "" {
		return Process{}, ErrGone
	}
	p.Name = strings.TrimPrefix(after(argv, "-name"), "guest=")
	p.Accelerator, _, _ = strings.Cut(after(argv, "-accel"), ",")
	state, start, err := stat(dir)
	if err != nil {
		return Process{}, err
	}
	if state == "Z" || state == "X" {
		return Process{}, ErrGone
	}
	if p.User, err = user(dir); err != nil {
		return Process{}, err
	}
	p.StartTime = start
	return p, nil
}

// after gives the argument that follows an option.
func after(argv []string, option string) string {
	if i := slices.Index(argv, option); i >= 0 && i+1 < len(argv) {
		return argv[i+1]
	}
	return ""
}

// user reads a process's real user id. The owner of its folder would not do: that is root's where it wants it to be.
func user(dir string) (uint32, error) {
	text, err := os.ReadFile(filepath.Join(dir, "status")) //nolint:gosec // of /proc, by number
	if err != nil {
		return 0, fmt.Errorf("reading the user of a process: %w", err)
	}
	_, ids, _ := strings.Cut(string(text), "\nUid:")
	fields := strings.Fields(ids)
	if len(fields) == 0 {
		return 0, ErrGone
	}
	id, err := strconv.ParseUint(fields[0], 10, 32)
	if err != nil {
		return 0, fmt.Errorf("reading the user of a process: %w", err)
	}
	return uint32(id), nil
}

// stat reads a process's state and start time. Its name is in parentheses, and may hold anything.
func stat(dir string) (state string, start uint64, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "stat")) //nolint:gosec // of /proc, by number
	if err != nil {
		return "", 0, fmt.Errorf("reading the state of a process: %w", err)
	}
	_, rest, _ := strings.Cut(string(text[bytes.LastIndexByte(text, ')')+1:]), " ")
	fields := strings.Fields(rest) // the first is field 3 of proc(5)
	if len(fields) < 20 {
		return "", 0, fmt.Errorf("reading the state of a process: %d fields only", len(fields))
	}
	if start, err = strconv.ParseUint(fields[19], 10, 64); err != nil {
		return "", 0, fmt.Errorf("reading the start time of a process: %w", err)
	}
	return fields[0], start, nil
}

// hostBoot tells one boot of the host from the next.
func hostBoot() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // a host without one has one boot only, as far as anybody can tell
	}
	return strings.TrimSpace(string(text))
}

// handle opens a process so that the number cannot come to mean another.
func (id Identity) handle() (int, error) {
	fd, err := unix.PidfdOpen(id.PID, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		return -1, ErrGone
	}
	if err != nil {
		return -1, fmt.Errorf("opening process %d: %w", id.PID, err)
	}
	// An error that says nothing of the process, such as that no more files can be opened here, is none of its end.
	now, err := identify(id.PID)
	switch {
	case err == nil && id.BootID == hostBoot() && now.Identity == id:
		return fd, nil
	case err == nil, errors.Is(err, ErrGone), errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ESRCH):
		err = ErrGone
	}
	return -1, errors.Join(err, unix.Close(fd))
}

// Signal sends a signal to the very process.
// Errors: ErrGone.
func (id Identity) Signal(signal unix.Signal) error {
	fd, err := id.handle()
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.PidfdSendSignal(fd, signal, nil, 0); errors.Is(err, unix.ESRCH) {
		return ErrGone
	} else if err != nil {
		return fmt.Errorf("signalling process %d: %w", id.PID, err)
	}
	return nil
}

// Kill ends the process, and returns once it is gone. One that is gone already is killed.
func (id Identity) Kill(ctx context.Context) error {
	if err := id.Signal(unix.SIGKILL); err != nil {
		if errors.Is(err, ErrGone) {
			return nil
		}
		return err
	}
	return id.Wait(ctx)
}

// Wait returns when the process is gone.
// Errors: the context's.
func (id Identity) Wait(ctx context.Context) error {
	fd, err := id.handle()
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	// The runtime waits for a descriptor that does not block beside all its others, which costs nothing until it is ready.
	file := os.NewFile(uintptr(fd), "process")
	defer func() { _ = file.Close() }() // only looked at
	raw, err := file.SyscallConn()
	if err != nil {
		return fmt.Errorf("waiting for process %d: %w", id.PID, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	err = raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0) //nolint:gosec // a descriptor fits
		return err == nil && n > 0
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("waiting for process %d to end: %w", id.PID, context.Cause(ctx))
	}
	return fmt.Errorf("waiting for process %d: %w", id.PID, err)
}

// Freeze stops the process where it is, with everything in it, as a host does that hangs.
func (id Identity) Freeze() error { return id.Signal(unix.SIGSTOP) }

// Thaw lets a frozen process go on.
func (id Identity) Thaw() error { return id.Signal(unix.SIGCONT) }

// End asks the process to end, which closes its disks well, and kills it when it has not within patience.
func (id Identity) End(ctx context.Context, patience time.Duration) error {
	if err := id.Signal(unix.SIGTERM); err != nil && !errors.Is(err, ErrGone) {
		return err
	}
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := id.Wait(within); err == nil {
		return nil
	}
	return id.Kill(ctx)
}
