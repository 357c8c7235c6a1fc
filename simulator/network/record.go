package network

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"slices"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/statefile"
)

// format of network.json.
var format = statefile.Format{Kind: "network", Version: 1}

// record is everything that may have been done to the host: it is written before the deed, and what it names is taken
// away before it is.
type record struct {
	Config
	// MAC that was drawn for the bridge. The kernel gives it to the bridge in the moment it makes it, so that a bridge
	// of the same name and another MAC is somebody else's.
	MAC string `json:"mac"`
	// Where the settings were changed: this boot of this host, and this network namespace. They do not outlive either.
	Where string `json:"where"`
	// Settings of the kernel that were changed, as they were; by their path under /proc/sys.
	Settings map[string]string `json:"settings,omitempty"`
	// Ports by the name of their machine.
	Ports map[string]Port `json:"ports,omitempty"`
}

// Port is where a machine is plugged in.
type Port struct {
	// Tap is the interface's name, for QEMU's -netdev tap,ifname=….
	Tap string `json:"tap"`
	// MAC and IPv4 are the only ones that the machine may speak with.
	MAC  string     `json:"mac"`
	IPv4 netip.Addr `json:"ipv4"`
	// Cut: the cable is pulled, as a fault that somebody asked for.
	Cut bool `json:"cut,omitempty"`
}

// names of the machines that are plugged in, in order.
func (r record) names() []string { return slices.Sorted(maps.Keys(r.Ports)) }

// with gives a copy in which a machine's port is changed; without one in which it is not.
func (r record) with(name string, port Port) record {
	r.Ports = maps.Clone(r.Ports)
	if r.Ports == nil {
		r.Ports = map[string]Port{}
	}
	r.Ports[name] = port
	return r
}

func (r record) without(name string) record {
	r.Ports = maps.Clone(r.Ports)
	delete(r.Ports, name)
	return r
}

// load reads a record; nil when nothing was done.
func load(path string) (*record, error) {
	var r record
	if err := format.Read(path, &r); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil //nolint:nilnil // no record is what says that nothing was done
		}
		return nil, fmt.Errorf("what was done to the host's network is not known: %w", err)
	}
	return &r, nil
}

// admit says which port a Server gets, or why none. A Server that has one already gets the same tap.
func (r record) admit(server simulator.Server) (Port, error) {
	if err := simulator.ValidName(server.Name); err != nil {
		return Port{}, err
	}
	mac, err := r.admitMAC(server)
	if err != nil {
		return Port{}, err
	}
	address, err := r.admitIPv4(server)
	if err != nil {
		return Port{}, err
	}
	port := Port{Tap: tapName(r.Bridge, server.Name), MAC: mac, IPv4: address}
	for _, name := range r.names() {
		if other := r.Ports[name]; name != server.Name && other.Tap == port.Tap {
			return Port{}, bad(server, "its tap %s would be that of server %q: rename one of them", port.Tap, name)
		}
	}
	return port, nil
}

func (r record) admitMAC(server simulator.Server) (string, error) {
	mac, err := net.ParseMAC(server.MAC)
	if err != nil || len(mac) != 6 {
		return "", bad(server, "MAC %.40q: it is to be six bytes with colons, such as 52:54:00:12:34:56", server.MAC)
	}
	if mac[0]&1 != 0 || mac.String() == "00:00:00:00:00:00" {
		return "", bad(server, "MAC %s: it is no single machine's: the first byte is to be even, and not all are to be zero", mac)
	}
	if mac.String() == r.MAC {
		return "", bad(server, "MAC %s: it is that of bridge %s: give another", mac, r.Bridge)
	}
	for _, name := range r.names() {
		if name != server.Name && r.Ports[name].MAC == mac.String() {
			return "", bad(server, "MAC %s: it is that of server %q: give another", mac, name)
		}
	}
	return mac.String(), nil
}

func (r record) admitIPv4(server simulator.Server) (netip.Addr, error) {
	address, err := netip.ParseAddr(server.IPv4)
	if err != nil || !address.Is4() {
		return netip.Addr{}, bad(server, "IPv4 %.40q: it is to be an address of %s, such as %s", server.IPv4, r.Subnet, r.Gateway.Next())
	}
	if why := unfit(address, r.Subnet); why != "" {
		return netip.Addr{}, bad(server, "IPv4 %s %s: give another", address, why)
	}
	if address == r.Gateway {
		return netip.Addr{}, bad(server, "IPv4 %s is the gateway's, which bridge %s has: give another", address, r.Bridge)
	}
	for _, name := range r.names() {
		if name != server.Name && r.Ports[name].IPv4 == address {
			return netip.Addr{}, bad(server, "IPv4 %s is that of server %q: give another", address, name)
		}
	}
	return address, nil
}

func bad(server simulator.Server, format string, args ...any) error {
	return simulator.Refuse(simulator.ReasonBadRequest, "server %s: %s", server.Name, fmt.Sprintf(format, args...))
}
