// Package account gives the programs that read what guests and strangers wrote, QEMU and qemu-img, a user of their own
// instead of root.
//
// In: a range of user ids that nobody else has. Out: for each process one under which nothing else runs, with the group of
// the same number and no other. A process that is broken into is then as far from the other machines' as from root's.
// The ids own no file: what a process is to read or write it is handed open.
//
// It must never change a file of the host's, and never end a process.
package account

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Range of user ids, first and last included. The zero one is root: programs run as the simulator does.
type Range struct{ First, Last uint32 }

// Default is in what systemd leaves unused (60578 to 61183) and Debian gives to nobody. Numbers below 65536 are known in
// containers too.
var Default = Range{First: 60600, Last: 61111}

// Parse reads "root", one id, or a range as FIRST-LAST.
func Parse(text string) (Range, error) {
	if text == "root" {
		return Range{}, nil
	}
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		to = from
	}
	first, err := strconv.ParseUint(from, 10, 31)
	last, err2 := strconv.ParseUint(to, 10, 31)
	if err := errors.Join(err, err2); err != nil || first == 0 || last < first {
		return Range{}, fmt.Errorf("%.40q is neither root, nor a user id, nor a range of them such as %s", text, Default)
	}
	return Range{First: uint32(first), Last: uint32(last)}, nil
}

// Root tells whether programs run as the simulator does.
func (r Range) Root() bool { return r == Range{} }

// Has tells whether an id is of the range.
func (r Range) Has(id uint32) bool { return !r.Root() && r.First <= id && id <= r.Last }

func (r Range) String() string {
	switch {
	case r.Root():
		return "root"
	case r.First == r.Last:
		return strconv.FormatUint(uint64(r.First), 10)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// Account is who one process runs as.
type Account struct {
	ID   uint32
	root bool
}

// taken are the ids whose processes are being started, or are short-lived and of this simulator's.
var (
	mu    sync.Mutex
	taken = map[uint32]bool{}
)

// Take gives an id under which no process runs and that no user or group of the host has. It stays taken until it is
// released, which is once its process can be seen, or has ended. A range of one is shared by all.
// Errors: all of them are in use.
func (r Range) Take() (Account, error) {
	if r.Root() {
		return Account{root: true}, nil
	}
	if r.First == r.Last {
		return Account{ID: r.First}, nil
	}
	mu.Lock()
	defer mu.Unlock()
	busy, err := running("/proc")
	if err != nil {
		return Account{}, err
	}
	for id := r.First; id <= r.Last; id++ {
		if !busy[id] && !taken[id] && !named(id) {
			taken[id] = true
			return Account{ID: id}, nil
		}
	}
	return Account{}, fmt.Errorf("each of the user ids %s has a process that runs, or a name: give more of them with --run-as", r)
}

// Release lets others take it.
func (a Account) Release() {
	mu.Lock()
	defer mu.Unlock()
	delete(taken, a.ID)
}

// named tells whether a user or a group of the host has an id.
func named(id uint32) bool {
	text := strconv.FormatUint(uint64(id), 10)
	_, notUser := user.LookupId(text)
	_, notGroup := user.LookupGroupId(text)
	return notUser == nil || notGroup == nil
}

// running gives the real user ids of all processes.
func running(proc string) (map[uint32]bool, error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return nil, fmt.Errorf("looking for a user id that is free: %w", err)
	}
	busy := map[uint32]bool{}
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join(proc, entry.Name(), "status")) //nolint:gosec // of /proc, by number
		if err != nil {
			continue // it has ended meanwhile
		}
		_, ids, _ := strings.Cut(string(text), "\nUid:")
		ids, _, _ = strings.Cut(ids, "\n")
		for _, field := range strings.Fields(ids) {
			if id, err := strconv.ParseUint(field, 10, 32); err == nil {
				busy[uint32(id)] = true
			}
		}
	}
	return busy, nil
}

// Credential to start a process with, which has these groups beside its own and no other; nil for root.
func (a Account) Credential(groups ...uint32) *syscall.Credential {
	if a.root {
		return nil
	}
	return &syscall.Credential{Uid: a.ID, Gid: a.ID, Groups: groups}
}

// Lend has a file be readable, and writable if asked, for the account, by its descriptor alone: it stays root's, and whoever
// cannot come to its folder does not come to it by its name. Return takes it back.
func (a Account) Lend(file *os.File, write bool) error {
	if a.root {
		return nil
	}
	mode := os.FileMode(0o640)
	if write {
		mode = 0o660
	}
	if err := errors.Join(file.Chown(0, int(a.ID)), file.Chmod(mode)); err != nil {
		return fmt.Errorf("lending a file: %w", err)
	}
	return nil
}

// Return makes a file that was lent root's alone again.
func (a Account) Return(file *os.File) error {
	if a.root {
		return nil
	}
	return errors.Join(file.Chmod(0o600), file.Chown(0, 0))
}
