package qemu

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// What a process is handed open, by what it is called in messages; nodes and chardevs have the same names.
const (
	diskFile      = "disk"
	baseFile      = "base"
	seedFile      = "seed"
	consoleLog    = "console log"
	consoleSocket = "console"
	guestSocket   = "guest"
	monitorSocket = "monitor"
	tapFile       = "tap"
)

// firstFD is the number of the first descriptor that is handed over.
const firstFD = 3

// fdsets is where QEMU has the files that it was handed, by the numbers of their sets.
const fdsets = "/dev/fdset/"

// mediaSet is the number of the set of the medium that a machine is started with, which is closed when it leaves the drive.
// The sets of what is put in later have the least numbers that are free.
const mediaSet = 100

// handed is a file that the process gets open. It opens nothing of the state folder by itself, and may not: its user owns
// nothing there. What it is broken into for is then not to be had by a name.
type handed struct {
	what, path string
	// set: QEMU takes it in place of a path, as a set of its own.
	set  bool
	open func(path string) (*os.File, error)
}

// handed gives all of them, in the order of their numbers.
func (s Spec) handed() []handed {
	all := []handed{
		{tapFile, s.Tap, false, openTap}, // one's at a time, and so refused before anything of a running machine's is replaced
		{diskFile, s.Disk.Path, true, opens(os.O_RDWR)},
		{baseFile, s.Disk.Base, true, opens(os.O_RDONLY)},
		{seedFile, s.Seed, true, opens(os.O_RDONLY)},
		{mediaNode, s.Media, true, opens(os.O_RDONLY)},
		{consoleLog, s.Files.ConsoleLog, true, opens(os.O_WRONLY | os.O_APPEND | os.O_CREATE)},
		{consoleSocket, s.Files.Console, false, listen},
		{guestSocket, s.Files.Guest, false, listen},
		{monitorSocket, s.Files.QMP, false, listen},
	}
	return slices.DeleteFunc(all, func(h handed) bool { return h.path == "" })
}

// fd is the number of what is handed over.
func (s Spec) fd(what string) int {
	return firstFD + slices.IndexFunc(s.handed(), func(h handed) bool { return h.what == what })
}

// setOf is the number of its set.
func (s Spec) setOf(what string) int {
	if what == mediaNode {
		return mediaSet
	}
	return s.fd(what)
}

// fdset is the name that QEMU opens it by.
func (s Spec) fdset(what string) string { return fdsets + strconv.Itoa(s.setOf(what)) }

func opens(flags int) func(path string) (*os.File, error) {
	return func(path string) (*os.File, error) { return os.OpenFile(path, flags, 0o600) } //nolint:gosec // the Spec's paths
}

// listen makes a socket in the place of what is there. It stays when the process is gone, and then refuses.
func listen(path string) (*os.File, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	file, err := listener.File()
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return file, listener.Close()
}

// openTap attaches to a persistent tap as QEMU would: its own flags are those that package network made it with.
// Errors: the tap is another process's.
func openTap(name string) (*os.File, error) {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening /dev/net/tun: %w", err)
	}
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		return nil, errors.Join(fmt.Errorf("attaching to %s: %w", name, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), name), nil
}
