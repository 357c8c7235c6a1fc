package account

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Known refuses ids that this host does not have: a container's are those that it was given. Proc is where that is told.
func (r Range) Known(proc string) error {
	if r.Root() {
		return nil
	}
	for _, kind := range []string{"uid_map", "gid_map"} {
		text, err := os.ReadFile(filepath.Join(proc, "self", kind)) //nolint:gosec // of /proc
		if err != nil {
			return fmt.Errorf("looking which user ids there are: %w", err)
		}
		if !r.within(string(text)) {
			return fmt.Errorf("the user ids %s are not those of this container (%s): give others with --run-as", r, strings.Join(strings.Fields(string(text)), " "))
		}
	}
	return nil
}

// within tells whether one line of a map has all of a range: the first id, where it is outside, how many there are.
func (r Range) within(text string) bool {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue
		}
		first, err := strconv.ParseUint(fields[0], 10, 32)
		if err != nil {
			continue
		}
		count, err := strconv.ParseUint(fields[2], 10, 32)
		if err == nil && uint64(r.First) >= first && uint64(r.Last) < first+count {
			return true
		}
	}
	return false
}

// Device gives the groups that let an account open a device, read and write: none where everybody may.
// Errors: nobody but root may, which is the host's to mend.
func (r Range) Device(path string) ([]uint32, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("looking at a device: %w", err)
	}
	mode, group := info.Mode().Perm(), uint32(0)
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		group = stat.Gid
	}
	switch {
	case r.Root(), mode&0o006 == 0o006:
		return nil, nil
	case mode&0o060 == 0o060 && group != 0:
		return []uint32{group}, nil
	}
	return nil, fmt.Errorf("%s is root's alone (mode %#o), and machines run as other users: %s", path, mode, Mend(path))
}

// Mend says how a device is opened to a group.
func Mend(path string) string { return fmt.Sprintf("chgrp kvm %s && chmod 660 %s", path, path) }
