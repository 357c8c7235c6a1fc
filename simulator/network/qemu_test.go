package network

import (
	"os/exec"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestQEMUOpensATap: a QEMU without a guest takes the tap as it is; when it is killed the tap stays, and takes another.
func TestQEMUOpensATap(t *testing.T) {
	path, err := exec.LookPath("qemu-system-x86_64")
	if err != nil {
		t.Skip("it needs QEMU: apt-get install qemu-system-x86")
	}
	enter(t)
	n, file := open(t)
	must(t, n.Ensure())
	port := attach(t, n, ann)
	for range 2 {
		machine := exec.Command(path, "-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg,tb-size=16", "-m", "64", "-S",
			"-netdev", "tap,id=n0,ifname="+port.Tap+",script=no,downscript=no", "-device", "virtio-net-pci,netdev=n0,mac="+port.MAC)
		must(t, machine.Start())
		t.Cleanup(func() { _ = machine.Process.Kill(); _ = machine.Wait() })
		carrier := func() bool {
			l, err := netlink.LinkByName(port.Tap)
			return err == nil && l.Attrs().RawFlags&unix.IFF_LOWER_UP != 0
		}
		eventually(t, "the tap in use", carrier)
		must(t, machine.Process.Kill())
		_ = machine.Wait()
		eventually(t, "the tap free", func() bool { return !carrier() })
	}
	must(t, Down(file, nil))
}
