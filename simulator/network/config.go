package network

import (
	"fmt"
	"net/netip"
	"regexp"
)

// Config of the network.
type Config struct {
	// Bridge is the bridge's name; empty is DefaultBridge.
	Bridge string `json:"bridge"`
	// Subnet of the machines; zero is DefaultSubnet.
	Subnet netip.Prefix `json:"subnet"`
	// Gateway is the bridge's address in it; zero is the first.
	Gateway netip.Addr `json:"gateway"`
	// Table is what the nftables tables (inet and bridge) are called; empty is DefaultTable. Two simulators on one host
	// have each a bridge, a subnet and a table.
	Table string `json:"table"`
}

// What an empty Config stands for.
const (
	DefaultBridge = "stargate-br0"
	DefaultTable  = "stargate"
)

// DefaultSubnet is what the proof of concept published.
var DefaultSubnet = netip.MustParsePrefix("192.168.100.0/24")

var (
	// validBridge leaves out what the kernel allows and a path or a rule would stumble over.
	validBridge = regexp.MustCompile(`^[a-z][a-z0-9-]{0,14}$`)
	validTable  = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,30}$`)
)

// unusable are addresses that no host routes to another.
var unusable = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"),
}

// Complete gives the config with its defaults filled in, or says what is wrong with it.
func (c Config) Complete() (Config, error) {
	if c.Bridge == "" {
		c.Bridge = DefaultBridge
	}
	if c.Table == "" {
		c.Table = DefaultTable
	}
	if c.Subnet == (netip.Prefix{}) {
		c.Subnet = DefaultSubnet
	}
	if !validBridge.MatchString(c.Bridge) {
		return Config{}, fmt.Errorf("bridge %.40q: its name is to be 1 to 15 lower-case letters, digits and dashes, and begin with a letter", c.Bridge)
	}
	if !validTable.MatchString(c.Table) {
		return Config{}, fmt.Errorf("nftables table %.40q: its name is to be 1 to 31 lower-case letters, digits, dashes and underscores, and begin with a letter", c.Table)
	}
	if err := checkSubnet(c.Subnet); err != nil {
		return Config{}, err
	}
	if !c.Gateway.IsValid() {
		c.Gateway = c.Subnet.Addr().Next()
	}
	if why := unfit(c.Gateway, c.Subnet); why != "" {
		return Config{}, fmt.Errorf("gateway %s: it %s: give one of the subnet's, such as %s", c.Gateway, why, c.Subnet.Addr().Next())
	}
	return c, nil
}

func checkSubnet(subnet netip.Prefix) error {
	if !subnet.IsValid() || !subnet.Addr().Is4() {
		return fmt.Errorf("subnet %s: it is to be of IPv4, such as %s", subnet, DefaultSubnet)
	}
	if subnet != subnet.Masked() {
		return fmt.Errorf("subnet %s: it has bits set beyond its length: did you mean %s?", subnet, subnet.Masked())
	}
	if subnet.Bits() < 16 || subnet.Bits() > 29 {
		return fmt.Errorf("subnet %s: its length is to be 16 to 29, such as %s", subnet, DefaultSubnet)
	}
	for _, no := range unusable {
		if no.Overlaps(subnet) {
			return fmt.Errorf("subnet %s: machines cannot have addresses of %s: use a private subnet, such as %s", subnet, no, DefaultSubnet)
		}
	}
	return nil
}

// unfit says why an address cannot be a host's in a subnet; "" when it can.
func unfit(address netip.Addr, subnet netip.Prefix) string {
	switch {
	case !subnet.Contains(address):
		return "is not in subnet " + subnet.String()
	case address == subnet.Addr():
		return "is the name of subnet " + subnet.String()
	case address == lastOf(subnet):
		return "is the broadcast address of subnet " + subnet.String()
	}
	return ""
}

// lastOf gives the last address of an IPv4 subnet.
func lastOf(subnet netip.Prefix) netip.Addr {
	last := subnet.Addr().As4()
	for bit := subnet.Bits(); bit < 32; bit++ {
		last[bit/8] |= 1 << (7 - bit%8)
	}
	return netip.AddrFrom4(last)
}
