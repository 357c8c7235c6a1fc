package network

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// sysctls is where the kernel's settings are. Those under net are of the calling thread's namespace.
const sysctls = "/proc/sys"

// survey looks at the host.
func survey() (present, error) {
	now := present{links: map[string]link{}, tables: map[string]bool{}, settings: map[string]string{}}
	for _, look := range []func(*present) error{lookWhere, lookLinks, lookPins, lookAddresses, lookRoutes, lookTables, lookSettings} {
		if err := look(&now); err != nil {
			return present{}, fmt.Errorf("looking at the host's network: %w", err)
		}
	}
	return now, nil
}

func lookWhere(now *present) error {
	boot, err := readSetting("kernel/random/boot_id")
	if err != nil {
		return err
	}
	namespace, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	now.where = boot + " " + namespace
	return nil
}

func lookLinks(now *present) error {
	links, err := whole(netlink.LinkList)
	if err != nil {
		return fmt.Errorf("listing interfaces: %w", err)
	}
	now.names = map[int]string{}
	for _, l := range links {
		now.names[l.Attrs().Index] = l.Attrs().Name
	}
	for _, l := range links {
		attrs := l.Attrs()
		now.links[attrs.Name] = link{
			kind: l.Type(), mac: attrs.HardwareAddr.String(), master: now.names[attrs.MasterIndex], up: attrs.Flags&net.FlagUp != 0,
		}
	}
	return nil
}

// lookPins finds what bridges were told, as against what they learned and what is their own.
func lookPins(now *present) error {
	entries, err := whole(func() ([]netlink.Neigh, error) { return netlink.NeighList(0, unix.AF_BRIDGE) })
	if err != nil {
		return fmt.Errorf("listing what bridges know: %w", err)
	}
	for _, entry := range entries {
		name, there := now.names[entry.LinkIndex]
		if there && entry.State&netlink.NUD_NOARP != 0 && entry.State&netlink.NUD_PERMANENT == 0 {
			l := now.links[name]
			l.pinned = append(l.pinned, entry.HardwareAddr.String())
			now.links[name] = l
		}
	}
	return nil
}

func lookAddresses(now *present) error {
	found, err := whole(func() ([]netlink.Addr, error) { return netlink.AddrList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return fmt.Errorf("listing addresses: %w", err)
	}
	for _, a := range found {
		name, there := now.names[a.LinkIndex] // an interface that came since is not the simulator's
		if prefix, ok := prefixOf(a.IPNet); ok && there {
			now.addresses = append(now.addresses, address{name, prefix})
		}
	}
	return nil
}

func lookRoutes(now *present) error {
	// The table of no number is all of them.
	found, err := whole(func() ([]netlink.Route, error) {
		return netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	})
	if err != nil {
		return fmt.Errorf("listing routes: %w", err)
	}
	for _, r := range found {
		if prefix, ok := prefixOf(r.Dst); ok && r.Table != unix.RT_TABLE_LOCAL {
			now.routes = append(now.routes, route{now.names[r.LinkIndex], prefix})
		}
	}
	return nil
}

// familyNames are those in which tables are ours.
var familyNames = map[nftables.TableFamily]string{nftables.TableFamilyINet: "inet", nftables.TableFamilyBridge: "bridge"}

func lookTables(now *present) error {
	generation, err := rulesGeneration()
	if err != nil {
		return err
	}
	now.generation = generation
	found, err := (&nftables.Conn{}).ListTables()
	if err != nil {
		return fmt.Errorf("listing nftables tables: %w", err)
	}
	for _, table := range found {
		if family := familyNames[table.Family]; family != "" {
			now.tables[family+" "+table.Name] = true
		}
	}
	return nil
}

func lookSettings(now *present) error {
	names := []string{ipForward, acceptRedirects, disableIPv6All, forwardingOf("default")}
	for name := range now.links {
		names = append(names, forwardingOf(name), disableIPv6Of(name))
	}
	for _, name := range names {
		value, err := readSetting(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel without IPv6, or an interface that has gone since
		}
		if err != nil {
			return err
		}
		now.settings[name] = value
	}
	return nil
}

// readSetting reads one of the kernel's settings.
func readSetting(name string) (string, error) {
	file, err := os.Open(filepath.Join(sysctls, name)) //nolint:gosec // an interface's name holds no slash
	if err != nil {
		return "", fmt.Errorf("reading setting %s: %w", name, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	value, err := io.ReadAll(io.LimitReader(file, 4096))
	if err != nil {
		return "", fmt.Errorf("reading setting %s: %w", name, err)
	}
	return strings.TrimSpace(string(value)), nil
}

// whole asks again for a list that changed while the kernel gave it.
func whole[T any](list func() ([]T, error)) ([]T, error) {
	for attempt := 1; ; attempt++ {
		found, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) || attempt == 10 {
			return found, err
		}
	}
}

// prefixOf gives an IPv4 prefix, with the address's own bits kept; the default route is 0.0.0.0/0.
func prefixOf(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), true
	}
	addr, ok := netip.AddrFromSlice(n.IP.To4())
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(addr, bits), ok
}
