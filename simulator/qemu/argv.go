package qemu

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// defaultTranslationMiB is enough for a distribution's boot under TCG, and a quarter of what QEMU takes by itself.
const defaultTranslationMiB = 256

// Argv gives the whole argument list of a machine, the binary first. It is the same for the same Spec.
// Errors: the Spec has a value that cannot be.
//
// Disks are named in JSON, in which a comma is a comma; everywhere else a comma in a value is doubled, which QEMU takes
// for one that does not end the value.
func Argv(s Spec) ([]string, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("making the arguments of machine %.80q: %w", s.Name, err)
	}
	argv := []string{cmp.Or(s.Binary, "qemu-system-x86_64"),
		"-name", "guest=" + s.Name,
		"-uuid", s.UUID,
		"-pidfile", s.Files.PIDFile,
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
		"-blockdev", blockdev("disk", s.Disk.Path, s.Disk.Format, false),
		"-device", "virtio-blk-pci,id=" + DeviceDisk + ",drive=disk,werror=enospc,rerror=report,bootindex=" + s.bootIndex(DeviceDisk),
	}
	if s.Seed != "" {
		argv = append(argv, "-blockdev", blockdev("seed", s.Seed, "raw", true), "-device", "virtio-blk-pci,id=seed0,drive=seed")
	}
	cd := "scsi-cd,id=" + DeviceMedia + ",bus=scsi0.0,bootindex=" + s.bootIndex(DeviceMedia)
	argv = append(argv, "-device", "virtio-scsi-pci,id=scsi0")
	if s.Media != "" {
		argv = append(argv, "-blockdev", blockdev(mediaNode, s.Media, "raw", true))
		cd += ",drive=" + mediaNode
	}
	return append(argv, "-device", cd)
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
		"-netdev", "tap,id=net0,ifname=" + s.Tap + ",script=no,downscript=no",
		"-device", "virtio-net-pci,id=" + DeviceNIC + ",netdev=net0,mac=" + s.MAC + ",bootindex=" + s.bootIndex(DeviceNIC),
	}
}

// channels: each is a socket that QEMU listens on, and that nobody needs to be connected to.
func (s Spec) channels() []string {
	socket := func(id, path string) string {
		return "socket,id=" + id + ",path=" + doubled(path) + ",server=on,wait=off"
	}
	return []string{
		"-chardev", socket("console", s.Files.Console) + ",logfile=" + doubled(s.Files.ConsoleLog) + ",logappend=on",
		"-serial", "chardev:console",
		"-device", "virtio-serial-pci,id=channels",
		"-chardev", socket("guest", s.Files.Guest),
		"-device", "virtserialport,bus=channels.0,chardev=guest,name=" + GuestPort,
		"-chardev", socket("monitor", s.Files.QMP),
		"-mon", "chardev=monitor,mode=control",
	}
}

// blockdev names a file as a node, with a format that nothing in the file can change.
func blockdev(node, path, format string, readOnly bool) string {
	type file struct {
		Driver   string `json:"driver"`
		Filename string `json:"filename"`
		Locking  string `json:"locking"`
	}
	// Of strings and booleans, of which encoding cannot fail.
	text, _ := json.Marshal(struct {
		Driver   string `json:"driver"`
		Node     string `json:"node-name"`
		ReadOnly bool   `json:"read-only"`
		Discard  string `json:"discard"`
		File     file   `json:"file"`
	}{format, node, readOnly, "unmap", file{Driver: "file", Filename: path, Locking: "on"}})
	return string(text)
}

// doubled makes the commas of a value its own.
func doubled(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// diskOf gives the path in the value of a blockdev; empty where there is none.
func diskOf(blockdev string) string {
	var node struct {
		File struct {
			Filename string `json:"filename"`
		} `json:"file"`
	}
	if err := json.Unmarshal([]byte(blockdev), &node); err != nil {
		return ""
	}
	return node.File.Filename
}
