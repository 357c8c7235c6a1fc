package hooks

import (
	"net/netip"
	"slices"
	"strings"
)

// allowed is spec.allow.hosts: names, names below a name, and addresses, each with or without a port.
type allowed []allowedHost

type allowedHost struct {
	// name, or, below, the name that theirs must end in; or address.
	name    string
	below   bool
	address netip.Addr
	// port, empty for any.
	port string
}

func allowedOf(hosts []string) allowed {
	var list allowed
	for _, text := range hosts {
		host, port := text, ""
		if at := strings.LastIndexByte(text, ':'); at >= 0 && (strings.HasSuffix(text[:at], "]") || strings.Count(text, ":") == 1) {
			host, port = text[:at], text[at+1:]
		}
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
		entry := allowedHost{port: port}
		if address, err := netip.ParseAddr(host); err == nil {
			entry.address = address.Unmap()
		} else {
			entry.name, entry.below = strings.CutPrefix(normal(host), "*.")
		}
		list = append(list, entry)
	}
	return list
}

// normal form of a name.
func normal(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// names tells whether a name and port of an address (URL) may be asked for.
func (a allowed) names(host, port string) bool {
	host = normal(host)
	return slices.ContainsFunc(a, func(entry allowedHost) bool {
		switch {
		case entry.name == "" || entry.port != "" && entry.port != port:
			return false
		case entry.below:
			return len(host) > len(entry.name)+1 && strings.HasSuffix(host, "."+entry.name)
		}
		return host == entry.name
	})
}

// addresses tells whether that very address is listed.
func (a allowed) addresses(address netip.Addr, port string) bool {
	return slices.ContainsFunc(a, func(entry allowedHost) bool {
		return entry.address.IsValid() && entry.address == address.Unmap() && address.Zone() == "" && (entry.port == "" || entry.port == port)
	})
}

// special are the networks that are not the open internet's, of IPv4 all, of IPv6 those within 2000::/3, which
// alone is open. Some of them lead to IPv4 addresses that are written into theirs.
var special = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"168.63.129.16/32", // of a cloud's own machines, though it looks public
	"2001::/23",        // Teredo, ORCHID, benchmarks
	"2001:db8::/32", "2002::/16", "3fff::/20",
)

var open6 = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// public tells whether an address is one of the open internet.
func public(address netip.Addr) bool {
	if address.Zone() != "" {
		return false
	}
	address = address.Unmap()
	if address.Is6() && !open6.Contains(address) {
		return false
	}
	return !slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(address) })
}
