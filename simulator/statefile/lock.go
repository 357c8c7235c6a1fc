package statefile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lockName is the file in a state folder that is locked. It stays when the lock is given back: to remove it would let
// two own the folder, one through the old file and one through a new one.
const lockName = "lock"

// Held is the error of a folder that somebody else owns.
type Held struct {
	Folder string
	// PID of the owner; zero where it is not known.
	PID int
}

func (h *Held) Error() string {
	who := "another process"
	if h.PID > 0 {
		who = "process " + strconv.Itoa(h.PID)
	}
	return fmt.Sprintf("state folder %s is in use by %s: end it first, or give another folder", h.Folder, who)
}

// Lock is the ownership of a state folder. The kernel gives it back when its process ends, however it ends; a program
// that the process starts does not inherit it.
type Lock struct{ file *os.File }

// Take becomes the owner of a folder, which is to exist.
// Errors: *Held when somebody else is.
func Take(folder string) (*Lock, error) {
	path := filepath.Join(folder, lockName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600) //nolint:gosec // the folder is the operator's choice
	if err != nil {
		return nil, fmt.Errorf("opening the state folder's lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		held := &Held{Folder: folder, PID: holder(file)}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(held, file.Close())
		}
		return nil, errors.Join(fmt.Errorf("locking state folder %s: %w", folder, err), file.Close())
	}
	if err := sign(file); err != nil {
		return nil, errors.Join(fmt.Errorf("signing the state folder's lock: %w", err), file.Close())
	}
	return &Lock{file}, nil
}

// sign writes down whose lock it is, for people.
func sign(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holder is who signed a lock; zero where that cannot be read, as in the moment before it is signed.
func holder(file *os.File) int {
	text, err := io.ReadAll(io.LimitReader(file, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// Release gives the folder back.
func (l *Lock) Release() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("giving the state folder back: %w", err)
	}
	return nil
}
