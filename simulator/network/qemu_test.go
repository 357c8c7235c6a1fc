package network

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"stargate.io/stargate/simulator/account"
	"stargate.io/stargate/simulator/qemu"
)

// TestQEMUIsHandedATap: a QEMU without a guest, which could not open it, takes the tap as it is; when it is killed the tap
// stays, and takes another. While it runs nobody else takes it.
func TestQEMUIsHandedATap(t *testing.T) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("it needs QEMU: apt-get install qemu-system-x86")
	}
	enter(t)
	n, file := open(t)
	must(t, n.Ensure())
	port := attach(t, n, ann)
	dir, err := os.MkdirTemp("", "sgn") //nolint:usetesting // its path is too long for a socket
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	spec := qemu.Spec{
		Name: "ann", UUID: "0f0e0d0c-0b0a-4908-8706-050403020100", Accelerator: qemu.TCG, CPUs: 1, MemoryMiB: 64, TranslationMiB: 16,
		Disk: qemu.Disk{Path: filepath.Join(dir, "disk"), Format: "raw"}, MAC: port.MAC, Tap: port.Tap, RunAs: account.Default,
		Files: qemu.Files{QMP: dir + "/q", Console: dir + "/c", Guest: dir + "/g", ConsoleLog: dir + "/console.log", Log: dir + "/qemu.log"},
	}
	must(t, os.WriteFile(spec.Disk.Path, make([]byte, 1<<20), 0o600))
	for range 2 {
		machine, err := qemu.Start(t.Context(), spec)
		must(t, err)
		carrier := func() bool {
			l, err := netlink.LinkByName(port.Tap)
			return err == nil && l.Attrs().RawFlags&unix.IFF_LOWER_UP != 0
		}
		eventually(t, "the tap in use", carrier)
		if second, err := qemu.Start(t.Context(), spec); err == nil {
			t.Errorf("a second has the tap as well: %+v", second)
		}
		must(t, machine.Kill(t.Context()))
		eventually(t, "the tap free", func() bool { return !carrier() })
	}
	must(t, Down(file, nil))
}
