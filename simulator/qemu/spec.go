package qemu

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"

	"stargate.io/stargate/simulator/account"
)

// The accelerators.
const (
	KVM = "kvm"
	TCG = "tcg"
)

// GuestPort is the name of the virtio port on which the guest's reporter writes.
const GuestPort = "org.stargate.guest.0"

// MaxSocketPath is the longest path that a unix socket can have on Linux.
const MaxSocketPath = 107

// The devices whose place in the boot order can be changed.
const (
	DeviceDisk  = "disk0"
	DeviceMedia = "media0"
	DeviceNIC   = "nic0"
)

// mediaNode is the node of the ISO that a machine is started with.
const mediaNode = "media"

// Disk is a machine's disk, and the format that it is opened with whatever it looks like.
type Disk struct {
	Path   string
	Format string // "qcow2" or "raw"
	// Base is the path of the qcow2 that it lies over, whatever its file says; empty for one that lies over none.
	Base string
}

// Spec is what a machine is made of.
type Spec struct {
	// Binary of QEMU; empty is qemu-system-x86_64 of the PATH.
	Binary string
	// Name and UUID of the machine; the UUID is also what its firmware tells.
	Name, UUID string
	// Accelerator is KVM or TCG.
	Accelerator string
	CPUs        int
	MemoryMiB   int
	// TranslationMiB bounds TCG's cache of translated code, which is most of what a small machine takes of the host;
	// zero is 256.
	TranslationMiB int
	Disk           Disk
	// Seed is the path of the cloud-init ISO; empty for none.
	Seed string
	// Media is the path of an ISO in the machine's drive; empty leaves the drive empty.
	Media string
	// MAC of the machine's interface and the Tap it is on; without a Tap there is no interface.
	MAC, Tap string
	// BootFirst is the device that is tried first; empty is the disk.
	BootFirst string
	// Firmware is the path of a UEFI firmware image; empty is SeaBIOS.
	Firmware string
	Files    Files
	// RunAs are the user ids of which the process gets one; zero is root.
	RunAs account.Range
}

// Files are where a machine's sockets and logs are.
type Files struct {
	// QMP, Console and Guest are unix sockets.
	QMP, Console, Guest string
	// ConsoleLog takes all that is ever written to the console, Log what QEMU itself says.
	ConsoleLog, Log string
}

var (
	validUUID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	validTap  = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,15}$`)
	validName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}$`)
)

// check refuses what an argument list cannot say, or would say something else with.
func (s Spec) check() error {
	problems := []error{
		matches("name", s.Name, validName), matches("uuid", s.UUID, validUUID),
		oneOf("accelerator", s.Accelerator, KVM, TCG), oneOf("disk format", s.Disk.Format, "qcow2", "raw"),
		oneOf("first boot device", s.BootFirst, "", DeviceDisk, DeviceMedia, DeviceNIC),
		between("cpus", s.CPUs, 1, 255), between("memory in MiB", s.MemoryMiB, 32, 4<<20),
		between("translation cache in MiB", s.TranslationMiB, 0, 4096), absolute("disk", s.Disk.Path),
	}
	for what, path := range map[string]string{"QMP socket": s.Files.QMP, "console socket": s.Files.Console, "guest socket": s.Files.Guest} {
		problems = append(problems, absolute(what, path))
		if len(path) > MaxSocketPath {
			problems = append(problems, fmt.Errorf("%s: a path of %d bytes is longer than the %d that a socket can have; use a shorter state folder", what, len(path), MaxSocketPath))
		}
	}
	for what, path := range map[string]string{"console log": s.Files.ConsoleLog, "log": s.Files.Log} {
		problems = append(problems, absolute(what, path))
	}
	for what, path := range map[string]string{"base": s.Disk.Base, "seed": s.Seed, "media": s.Media, "firmware": s.Firmware} {
		if path != "" {
			problems = append(problems, absolute(what, path))
		}
	}
	if s.Tap != "" {
		problems = append(problems, matches("tap", s.Tap, validTap), validMAC(s.MAC))
	}
	if s.Disk.Base != "" && s.Disk.Format != "qcow2" {
		problems = append(problems, fmt.Errorf("a disk of format %s lies over no base", s.Disk.Format))
	}
	return errors.Join(problems...)
}

func matches(what, value string, pattern *regexp.Regexp) error {
	if !pattern.MatchString(value) {
		return fmt.Errorf("%s %.80q does not match %s", what, value, pattern)
	}
	return nil
}

func oneOf(what, value string, allowed ...string) error {
	for _, one := range allowed {
		if value == one {
			return nil
		}
	}
	return fmt.Errorf("%s %.80q is not one of %q", what, value, allowed)
}

func between(what string, value, low, high int) error {
	if value < low || value > high {
		return fmt.Errorf("%s: %d is not between %d and %d", what, value, low, high)
	}
	return nil
}

// absolute refuses a path that is none, and one that an option or a line could end in.
func absolute(what, path string) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("%s: %.200q is not a clean absolute path", what, path)
	}
	return nil
}

// validMAC takes the address of one interface, lower case with colons.
func validMAC(text string) error {
	mac, err := net.ParseMAC(text)
	if err != nil || len(mac) != 6 || mac.String() != text || mac[0]&1 != 0 {
		return fmt.Errorf("mac %.40q is not a unicast address in lower case with colons", text)
	}
	return nil
}
