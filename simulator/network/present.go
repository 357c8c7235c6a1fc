package network

import (
	"fmt"
	"net/netip"
	"strings"
)

// present is what the host has, as far as it is asked.
type present struct {
	where      string // this boot, this namespace
	links      map[string]link
	names      map[int]string // of the links, by the kernel's number for them
	addresses  []address
	routes     []route
	tables     map[string]bool   // "family name"
	generation uint32            // of the rules: another one with each change that anybody makes
	settings   map[string]string // by path under /proc/sys, without the newline
}

type link struct {
	kind, mac, master string
	up                bool
	pinned            []string // MACs that its bridge was told are there
}

type address struct {
	link   string
	prefix netip.Prefix // the address, with its subnet's length
}

type route struct {
	link        string // "" for one that leads nowhere
	destination netip.Prefix
}

// The kinds of links that are ours.
const (
	kindBridge = "bridge"
	kindTap    = "tuntap"
)

// Settings that are looked at.
const (
	ipForward       = "net/ipv4/ip_forward"
	acceptRedirects = "net/ipv4/conf/all/accept_redirects"
	disableIPv6All  = "net/ipv6/conf/all/disable_ipv6"
)

// forwardingOf and disableIPv6Of name the settings of one interface, or of "default".
func forwardingOf(link string) string  { return "net/ipv4/conf/" + link + "/forwarding" }
func disableIPv6Of(link string) string { return "net/ipv6/conf/" + link + "/disable_ipv6" }

func isForwarding(setting string) bool {
	return strings.HasPrefix(setting, "net/ipv4/conf/") && strings.HasSuffix(setting, "/forwarding")
}

// broad is how long a route's prefix is at most to be taken for a default route, such as the halves of a VPN.
const broad = 4

// collision says who has a part of the subnet already; "" for nobody. What the bridge has is its own.
func (p present) collision(c Config) string {
	for _, a := range p.addresses {
		if a.link != c.Bridge && a.prefix.Masked().Overlaps(c.Subnet) {
			return fmt.Sprintf("address %s of interface %s", a.prefix, a.link)
		}
	}
	for _, r := range p.routes {
		if r.link == c.Bridge || r.destination.Bits() <= broad || !r.destination.Overlaps(c.Subnet) {
			continue
		}
		if r.link == "" {
			return fmt.Sprintf("a route to %s, which leads nowhere", r.destination)
		}
		return fmt.Sprintf("a route to %s by interface %s", r.destination, r.link)
	}
	return ""
}
