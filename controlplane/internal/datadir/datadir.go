// Package datadir holds the folder that a control plane keeps its state in:
// who may use it (one process at a time) and which port it last served on.
//
// In: a path. Out: a locked Dir, and paths inside it. It must never touch a
// folder that another process holds, nor delete state.
package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"stargate.io/stargate/controlplane/internal/atomicfile"
)

// ErrTaken means that another process holds the folder.
var ErrTaken = errors.New("data folder is taken")

// Dir is a data folder, held by this process until Close.
type Dir struct {
	path string
	lock *os.File
}

// Open makes the folder when it is absent (mode 0700) and takes its lock. The
// error wraps ErrTaken, and names the holder's pid, when another process has it.
func Open(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening data folder: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("making data folder: %w", err)
	}
	// A folder that was there already may be wider open than keys deserve.
	if err := os.Chmod(path, 0o700); err != nil {
		return nil, fmt.Errorf("closing data folder to others: %w", err)
	}
	lock, err := takeLock(filepath.Join(path, "lock"))
	if err != nil {
		return nil, err
	}
	return &Dir{path: path, lock: lock}, nil
}

// takeLock locks the file for as long as it is open: the kernel gives it back
// when the process ends, however it ends, so there is no stale lock to mend.
func takeLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening lock of data folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is in use by pid %s; stop that process or choose another folder with --data",
				ErrTaken, filepath.Dir(path), holder(f))
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	if err := f.Truncate(0); err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("writing pid to %s: %w", path, err)
	}
	return f, nil
}

// holder reads the pid that the process with the lock wrote into it.
func holder(f *os.File) string {
	b := make([]byte, 32)
	n, _ := f.ReadAt(b, 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil {
		return strconv.Itoa(pid)
	}
	return "unknown"
}

// Path joins elements to the folder's absolute path.
func (d *Dir) Path(elem ...string) string {
	return filepath.Join(append([]string{d.path}, elem...)...)
}

// Port is the port last saved, or 0 when there is none that can be read.
func (d *Dir) Port() int {
	b, err := os.ReadFile(d.Path("port"))
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || port < 1 || port > 65535 {
		return 0
	}
	return port
}

// SavePort records the port, for the next start to take again.
func (d *Dir) SavePort(port int) error {
	return atomicfile.Write(d.Path("port"), []byte(strconv.Itoa(port)+"\n"), 0o600)
}

// Close gives the folder back.
func (d *Dir) Close() error { return d.lock.Close() }
