package qemu

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// defaultTranslationMiB is enough for a distribution's boot under TCG, and a quarter of what QEMU takes by itself.
const defaultTranslationMiB = 256

// Argv gives the whole argument list of a machine, the binary first. It is the same for the same Spec.
// Errors: the Spec has a value that cannot be.
//
// Disks are named in JSON, in which a comma is a comma; everywhere else a comma in a value is doubled, which QEMU takes
// for one that does not end the value. All that is the state folder's comes as a descriptor, see handed: its path is told
// with it, for those who look for the machine.
func Argv(s Spec) ([]string, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("making the arguments of machine %.80q: %w", s.Name, err)
	}
	argv := []string{cmp.Or(s.Binary, "qemu-system-x86_64"),
		"-name", "guest=" + s.Name,
		"-uuid", s.UUID,
		"-no-user-config", "-nodefaults",
		"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-display", "none",
		// Without graphics the BIOS, too, writes to the serial console.
		"-machine", "q35,graphics=off,vmport=off,usb=off",
		"-accel", s.accel(), "-cpu", s.cpu(),
		"-smp", strconv.Itoa(s.CPUs), "-m", strconv.Itoa(s.MemoryMiB) + "M",
		"-smbios", "type=1,manufacturer=Stargate,product=Simulator,serial=" + s.Name + ",uuid=" + s.UUID,
		"-rtc", "base=utc", "-boot", "strict=on",
		// A guest that panics or shuts itself down stays as it is, to be told apart from one that was killed, also by a
		// simulator that was away.
		"-action", "panic=pause,reboot=reset,shutdown=pause", "-device", "pvpanic",
		"-object", "rng-random,id=rng0,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng0,id=random0",
	}
	if s.Firmware != "" {
		argv = append(argv, "-bios", s.Firmware)
	}
	for _, h := range s.handed() {
		if h.set {
			argv = append(argv, "-add-fd", fmt.Sprintf("fd=%d,set=%d,%s%s", s.fd(h.what), s.setOf(h.what), opaque, doubled(h.path)))
		}
	}
	argv = append(argv, s.drives()...)
	argv = append(argv, s.nic()...)
	return append(argv, s.channels()...), nil
}

func (s Spec) accel() string {
	if s.Accelerator == KVM {
		return KVM
	}
	return "tcg,thread=multi,tb-size=" + strconv.Itoa(cmp.Or(s.TranslationMiB, defaultTranslationMiB))
}

// cpu has what current distributions ask for (x86-64-v2). Tables of five levels cost TCG time and serve nobody here.
func (s Spec) cpu() string {
	if s.Accelerator == KVM {
		return "host"
	}
	return "max,la57=off"
}

// drives: the disk is the first, so that it is the guest's first too. The seed is a disk and no CD, since the kernels
// of cloud images do not all know CDs.
func (s Spec) drives() []string {
	argv := []string{
		"-blockdev", s.disk(),
		"-device", "virtio-blk-pci,id=" + DeviceDisk + ",drive=disk,werror=enospc,rerror=report,bootindex=" + s.bootIndex(DeviceDisk),
	}
	if s.Seed != "" {
		argv = append(argv, "-blockdev", s.node(seedFile, "raw", true).text(), "-device", "virtio-blk-pci,id=seed0,drive=seed")
	}
	cd := "scsi-cd,id=" + DeviceMedia + ",bus=scsi0.0,bootindex=" + s.bootIndex(DeviceMedia)
	argv = append(argv, "-device", "virtio-scsi-pci,id=scsi0")
	if s.Media != "" {
		argv = append(argv, "-blockdev", s.node(mediaNode, "raw", true).text())
		cd += ",drive=" + mediaNode
	}
	return append(argv, "-device", cd)
}

// disk of the machine. What lies below it is said here, and not left to what its file says of that: the file is written
// by the process, and would be believed by the next.
func (s Spec) disk() string {
	disk := s.node(diskFile, s.Disk.Format, false)
	switch {
	case s.Disk.Base != "":
		disk.Backing = s.node(baseFile, "qcow2", true)
	case s.Disk.Format == "qcow2":
		disk.Backing = json.RawMessage("null")
	}
	return disk.text()
}

// bootIndex gives the place of a device: the one that is tried first has the lowest.
func (s Spec) bootIndex(device string) string {
	place := 1
	for _, one := range bootPlaces {
		if one.device == device && device != cmp.Or(s.BootFirst, DeviceDisk) {
			place = one.place
		}
	}
	return strconv.Itoa(place)
}

func (s Spec) nic() []string {
	if s.Tap == "" {
		return nil
	}
	return []string{
		"-netdev", "tap,id=net0,fd=" + strconv.Itoa(s.fd(tapFile)),
		"-device", "virtio-net-pci,id=" + DeviceNIC + ",netdev=net0,mac=" + s.MAC + ",bootindex=" + s.bootIndex(DeviceNIC),
	}
}

// channels: each is a socket that listens already, and that nobody needs to be connected to.
func (s Spec) channels() []string {
	socket := func(id string) string {
		return "socket,id=" + id + ",fd=" + strconv.Itoa(s.fd(id)) + ",server=on,wait=off"
	}
	return []string{
		"-chardev", socket(consoleSocket) + ",logfile=" + s.fdset(consoleLog) + ",logappend=on",
		"-serial", "chardev:console",
		"-device", "virtio-serial-pci,id=channels",
		"-chardev", socket(guestSocket),
		"-device", "virtserialport,bus=channels.0,chardev=guest,name=" + GuestPort,
		"-chardev", socket(monitorSocket),
		"-mon", "chardev=monitor,mode=control",
	}
}

// node is a block device as QEMU takes it in JSON.
type node struct {
	Driver   string   `json:"driver"`
	Node     string   `json:"node-name"`
	ReadOnly bool     `json:"read-only"`
	Discard  string   `json:"discard"`
	File     nodeFile `json:"file"`
	// Backing is a node, or null for none; left out where the format knows nothing of the kind.
	Backing any `json:"backing,omitempty"`
}

type nodeFile struct {
	Driver   string `json:"driver"`
	Filename string `json:"filename"`
	Locking  string `json:"locking"`
}

// node names a file that is handed over, with a format that nothing in the file can change.
func (s Spec) node(what, format string, readOnly bool) node {
	return node{
		Driver: format, Node: what, ReadOnly: readOnly, Discard: "unmap",
		File: nodeFile{Driver: "file", Filename: s.fdset(what), Locking: "on"},
	}
}

func (n node) text() string {
	text, _ := json.Marshal(n) // of strings and booleans, of which encoding cannot fail
	return string(text)
}

// doubled makes the commas of a value its own.
func doubled(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// opaque is what a path follows in an -add-fd.
const opaque = "opaque="

// diskOf gives the path of the first of a process's block devices; empty where there is none. An earlier version gave
// paths.
func diskOf(argv []string) string {
	var of node
	if err := json.Unmarshal([]byte(after(argv, "-blockdev")), &of); err != nil {
		return ""
	}
	number, isSet := strings.CutPrefix(of.File.Filename, fdsets)
	if !isSet {
		return of.File.Filename
	}
	start := "fd=" + number + ",set=" + number + "," + opaque
	i := slices.IndexFunc(argv, func(word string) bool { return strings.HasPrefix(word, start) })
	if i < 1 || argv[i-1] != "-add-fd" {
		return ""
	}
	return strings.ReplaceAll(strings.TrimPrefix(argv[i], start), ",,", ",")
}
