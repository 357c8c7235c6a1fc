package network

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"stargate.io/stargate/simulator/statefile"
)

// deeds is how each is done.
var deeds = map[deed]func(record, Step) error{
	loadTables: func(r record, _ Step) error { return loadRules(r) },
	dropTables: func(_ record, s Step) error { return dropRules(s.name) },
	makeBridge: func(_ record, s Step) error { return addBridge(s.name, s.value) },
	makeTap:    func(_ record, s Step) error { return addTap(s.name) },
	remove:     func(_ record, s Step) error { return removeLink(s.name) },
	enslave:    func(_ record, s Step) error { return enslaveLink(s.name, s.value) },
	pin:        func(_ record, s Step) error { return pinMAC(s.name, s.value) },
	giveIPv4:   func(_ record, s Step) error { return addAddress(s.name, s.value) },
	raise:      func(_ record, s Step) error { return onLink(s.name, netlink.LinkSetUp) },
	lower:      func(_ record, s Step) error { return onLink(s.name, netlink.LinkSetDown) },
	set:        func(_ record, s Step) error { return writeSetting(s.name, s.value) },
	forget:     func(_ record, s Step) error { return statefile.Remove(s.name) },
}

// carry does a step.
func carry(r record, s Step) error {
	if err := deeds[s.deed](r, s); err != nil {
		return fmt.Errorf("changing the host's network (%s): %w", s, err)
	}
	return nil
}

// addBridge makes a bridge with its MAC in one go: a bridge that is there has it.
func addBridge(name, mac string) error {
	hardware, err := net.ParseMAC(mac)
	if err != nil {
		return err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = name, hardware
	// There is no querier here, and snooping without one forgets who listens.
	snooping := false
	return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping})
}

// addTap makes a persistent tap. The kernel takes it away again when the process dies before it is persistent. It is made
// as exclusive: one that is there is left as it is, and no step was planned for it. One queue, for QEMU opens it so.
func addTap(name string) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	return netlink.LinkAdd(&netlink.Tuntap{
		LinkAttrs: attrs, Mode: netlink.TUNTAP_MODE_TAP, Flags: netlink.TUNTAP_NO_PI | netlink.TUNTAP_VNET_HDR | netlink.TUNTAP_TUN_EXCL,
	})
}

// onLink does something to an interface by its name.
func onLink(name string, do func(netlink.Link) error) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return do(l)
}

// removeLink takes an interface away. One that has gone is removed.
func removeLink(name string) error {
	err := onLink(name, netlink.LinkDel)
	if gone := (netlink.LinkNotFoundError{}); errors.As(err, &gone) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}

func enslaveLink(name, bridge string) error {
	return onLink(bridge, func(b netlink.Link) error {
		return onLink(name, func(l netlink.Link) error { return netlink.LinkSetMaster(l, b) })
	})
}

// pinMAC tells the bridge where a machine is, once and for all. A bridge that learns could be taught otherwise: frames to
// link-local addresses, such as LLDP's, teach it before any rule sees them. The entry comes last, for where it is the rest
// is taken for done.
func pinMAC(name, mac string) error {
	hardware, err := net.ParseMAC(mac)
	if err != nil {
		return err
	}
	return onLink(name, func(l netlink.Link) error {
		entry := &netlink.Neigh{
			LinkIndex: l.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER, State: netlink.NUD_NOARP, HardwareAddr: hardware,
		}
		return errors.Join(netlink.LinkSetLearning(l, false), netlink.LinkSetFlood(l, false), netlink.NeighSet(entry))
	})
}

func addAddress(name, prefix string) error {
	parsed, err := netlink.ParseAddr(prefix)
	if err != nil {
		return err
	}
	return onLink(name, func(l netlink.Link) error { return netlink.AddrReplace(l, parsed) })
}

// writeSetting changes one of the kernel's settings. One that has gone, with its interface, needs none.
func writeSetting(name, value string) error {
	file, err := os.OpenFile(filepath.Join(sysctls, name), os.O_WRONLY, 0) //nolint:gosec // an interface's name holds no slash
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = file.WriteString(value + "\n")
	return errors.Join(err, file.Close())
}
