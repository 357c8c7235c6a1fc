package simulator_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
)

// traces are what a simulator leaves on its host: links, addresses, routes, rules, settings and processes.
func (h *host) traces() []string {
	h.Helper()
	var found []string
	links, err := netlink.LinkList()
	if err != nil {
		h.Fatal(err)
	}
	for _, link := range links {
		found = append(found, "link "+link.Attrs().Name)
		addresses, err := netlink.AddrList(link, netlink.FAMILY_ALL)
		if err != nil {
			h.Fatal(err)
		}
		for _, address := range addresses {
			found = append(found, fmt.Sprintf("address %s on %s", address.IPNet, link.Attrs().Name))
		}
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		h.Fatal(err)
	}
	for _, route := range routes {
		found = append(found, "route "+route.String())
	}
	tables, err := (&nftables.Conn{}).ListTables()
	if err != nil {
		h.Fatal(err)
	}
	for _, table := range tables {
		found = append(found, fmt.Sprintf("table %d %s", table.Family, table.Name))
	}
	forward, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
	if err != nil {
		h.Fatal(err)
	}
	found = append(found, "ip_forward "+strings.TrimSpace(string(forward)))
	found = append(found, h.processes()...)
	slices.Sort(found)
	return found
}

// processes whose command line names this host's simulator.
func (h *host) processes() []string {
	var found []string
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), h.simulatorState()) {
			continue // of those that have ended since, none is left
		}
		found = append(found, "process "+strings.ReplaceAll(string(text), "\x00", " "))
	}
	return found
}

// down takes the simulator down, which leaves the host as it was before. What a dry run lists is not done.
func (h *host) down(before []string) {
	h.Helper()
	up := h.traces()
	plan := h.run("bin/simulator", "--state", h.simulatorState(), "down", "--dry-run")
	if !strings.Contains(plan, "stargate-br0") {
		h.Errorf("the dry run does not speak of the bridge:\n%s", plan)
	}
	if now := h.traces(); !slices.Equal(now, up) {
		h.Errorf("a dry run changed\n%s\nto\n%s", strings.Join(up, "\n"), strings.Join(now, "\n"))
	}
	for _, p := range h.programs {
		p.end(syscall.SIGINT)
	}
	h.run("bin/simulator", "--state", h.simulatorState(), "down")
	h.until("the host is as it was", time.Minute, func() (bool, string) {
		now := h.traces()
		return slices.Equal(now, before), strings.Join(now, "\n")
	})
}
