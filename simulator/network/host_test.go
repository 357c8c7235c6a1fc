package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"stargate.io/stargate/simulator"
)

var slicesSort = slices.Sort[[]string]

// servers are two machines.
var (
	ann = simulator.Server{Name: "ann", MAC: "52:54:00:00:00:0a", IPv4: "192.168.100.10"}
	bob = simulator.Server{Name: "bob", MAC: "52:54:00:00:00:0b", IPv4: "192.168.100.11"}
)

// ruleset gives all tables, chains and rules. nft itself prints them where it is installed.
func ruleset(t *testing.T) []string {
	t.Helper()
	if path, err := exec.LookPath("nft"); err == nil {
		out, err := exec.Command(path, "list", "ruleset").CombinedOutput()
		if err != nil {
			t.Fatalf("listing the rules: %v: %s", err, out)
		}
		return []string{string(out)}
	}
	conn := &nftables.Conn{}
	chains, err := conn.ListChains()
	must(t, err)
	var found []string
	for _, chain := range chains {
		rules, err := conn.GetRules(chain.Table, chain)
		must(t, err)
		found = append(found, fmt.Sprintf("chain %d %s %s, %d rules", chain.Table.Family, chain.Table.Name, chain.Name, len(rules)))
	}
	return found
}

// foreign puts things on the host that are not the simulator's: a bridge with a port, a table with a chain that counts.
func foreign(t *testing.T) {
	t.Helper()
	must(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: named("virbr0")}), netlink.LinkAdd(pair("eth7")))
	for _, name := range []string{"virbr0", "eth7", "eth7-end"} {
		must(t, onLink(name, netlink.LinkSetUp))
	}
	must(t, enslaveLink("eth7", "virbr0"), addAddress("virbr0", "192.168.122.1/24"))
	conn := &nftables.Conn{}
	table := conn.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: "firewall"})
	chain := conn.AddChain(&nftables.Chain{
		Name: "in", Table: table, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter,
	})
	conn.AddRule(&nftables.Rule{Table: table, Chain: chain, Exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}})
	must(t, conn.Flush())
}

// pair is an interface that is none of ours, and its other end.
func pair(name string) netlink.Link {
	return &netlink.Veth{LinkAttrs: named(name), PeerName: name + "-end"}
}

func named(name string) netlink.LinkAttrs {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	return attrs
}

// open gives a network over a folder of its own.
func open(t *testing.T) (*Network, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "network.json")
	n, err := Open(file, Config{})
	must(t, err)
	return n, file
}

// attach plugs a server in.
func attach(t *testing.T, n *Network, server simulator.Server) Port {
	t.Helper()
	tap, err := n.Tap(t.Context(), server)
	must(t, err)
	if port := n.Ports()[server.Name]; port.Tap != tap || tap == "" {
		t.Fatalf("server %s has tap %q, and port %+v", server.Name, tap, port)
	}
	return n.Ports()[server.Name]
}

// differ tells two pictures apart, line by line.
func differ(before, after string) string {
	was, is := strings.Split(before, "\n"), strings.Split(after, "\n")
	var lines []string
	for _, line := range was {
		if !slices.Contains(is, line) {
			lines = append(lines, "- "+line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			lines = append(lines, "+ "+line)
		}
	}
	return strings.Join(lines, "\n")
}

func TestUpAndDownLeavesNothing(t *testing.T) {
	for name, prepare := range map[string]func(*testing.T){
		"forwarding off": func(t *testing.T) {},
		"forwarding on":  func(t *testing.T) { must(t, writeSetting(ipForward, "1")) },
		"forwarding on one interface, redirects refused": func(t *testing.T) {
			must(t, writeSetting(forwardingOf("eth7"), "1"), writeSetting(acceptRedirects, "0"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			enter(t)
			foreign(t)
			prepare(t)
			before := picture(t)
			n, file := open(t)
			must(t, n.Ensure())
			attach(t, n, ann)
			attach(t, n, bob)
			if value, err := readSetting(ipForward); err != nil || value != "1" {
				t.Errorf("forwarding is %q, %v", value, err)
			}
			planned, err := PlanDown(file)
			must(t, err)
			if during := picture(t); len(planned) < 5 || differ(before, during) == "" {
				t.Fatalf("the plan is %v, and nothing is up", planned)
			}
			var done []Step
			must(t, Down(file, func(s Step) { done = append(done, s) }))
			if !slices.Equal(planned, done) {
				t.Errorf("planned %v, done %v", planned, done)
			}
			if d := differ(before, picture(t)); d != "" {
				t.Errorf("the host is not as before:\n%s", d)
			}
			if _, err := os.Stat(file); !os.IsNotExist(err) {
				t.Errorf("the record is still there: %v", err)
			}
			if again, err := PlanDown(file); err != nil || len(again) != 0 {
				t.Errorf("down of nothing would do %v, %v", again, err)
			}
		})
	}
}

func TestDryRunTouchesNothing(t *testing.T) {
	enter(t)
	n, file := open(t)
	must(t, n.Ensure())
	port := attach(t, n, ann)
	before := picture(t)
	steps, err := PlanDown(file)
	must(t, err)
	if d := differ(before, picture(t)); d != "" {
		t.Errorf("the plan changed the host:\n%s", d)
	}
	var told []string
	for _, s := range steps {
		told = append(told, s.String())
	}
	want := []string{
		"ip link delete " + port.Tap,
		"ip link delete stargate-br0",
		"nft: delete tables inet stargate and bridge stargate",
		"sysctl net/ipv4/ip_forward = 0",
		"remove " + file,
	}
	if !slices.Equal(told, want) {
		t.Errorf("told\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
}

// TestEveryDeedIsDoneAndSaid: each can be carried out, and told to a person.
func TestEveryDeedIsDoneAndSaid(t *testing.T) {
	if len(deeds) != len(said) {
		t.Errorf("%d deeds are done, and %d said", len(deeds), len(said))
	}
	for deed := range deeds {
		if text := (Step{deed, "NAME", "VALUE"}).String(); !strings.Contains(text, "NAME") || strings.Contains(text, "%!") {
			t.Errorf("%s is said as %q", deed, text)
		}
	}
}

func TestEnsureRepairs(t *testing.T) {
	enter(t)
	n, file := open(t)
	must(t, n.Ensure())
	port := attach(t, n, ann)
	attach(t, n, bob)
	whole := picture(t)
	n.before = func(s Step) error { return fmt.Errorf("it was not needed: %s", s) }
	must(t, n.Ensure())
	n.before = nil
	for name, damage := range map[string]func() error{
		"the tables are gone":           func() error { return dropRules(DefaultTable) },
		"the bridge is gone":            func() error { return removeLink(DefaultBridge) },
		"the bridge is down":            func() error { return onLink(DefaultBridge, netlink.LinkSetDown) },
		"forwarding is off":             func() error { return writeSetting(ipForward, "0") },
		"IPv6 is on":                    func() error { return writeSetting(disableIPv6Of(port.Tap), "0") },
		"a tap is gone":                 func() error { return removeLink(port.Tap) },
		"a tap is down":                 func() error { return onLink(port.Tap, netlink.LinkSetDown) },
		"a tap is unplugged":            func() error { return onLink(port.Tap, netlink.LinkSetNoMaster) },
		"the bridge was told otherwise": func() error { return unpin(port.Tap, port.MAC) },
		"the rules have a hole":         func() error { return emptySet("taps") },
		"the address is gone": func() error {
			return onLink(DefaultBridge, func(l netlink.Link) error {
				a, err := netlink.ParseAddr("192.168.100.1/24")
				if err != nil {
					return err
				}
				return netlink.AddrDel(l, a)
			})
		},
	} {
		must(t, damage())
		if differ(whole, picture(t)) == "" {
			t.Errorf("%s: the picture does not show it", name)
		}
		must(t, n.Ensure())
		if d := differ(withoutTapMACs(whole), withoutTapMACs(picture(t))); d != "" {
			t.Errorf("%s, and was not repaired:\n%s", name, d)
		}
		// One that was started again repairs as well as one that runs.
		must(t, damage())
		again, err := Open(file, Config{})
		must(t, err)
		must(t, again.Ensure())
		if d := differ(withoutTapMACs(whole), withoutTapMACs(picture(t))); d != "" {
			t.Errorf("%s, and was not repaired by the next:\n%s", name, d)
		}
	}
}

// withoutTapMACs leaves out what the kernel draws anew for each tap: the MAC of the host's end, which nobody speaks with.
func withoutTapMACs(picture string) string {
	lines := strings.Split(picture, "\n")
	for i, line := range lines {
		if fields := strings.Fields(line); strings.HasPrefix(line, "link sg-") && len(fields) == 7 {
			lines[i] = strings.Join(slices.Delete(fields, 3, 4), " ")
		}
	}
	return strings.Join(lines, "\n")
}

func unpin(tap, mac string) error {
	hardware, err := net.ParseMAC(mac)
	if err != nil {
		return err
	}
	return onLink(tap, func(l netlink.Link) error {
		return netlink.NeighDel(&netlink.Neigh{LinkIndex: l.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER, HardwareAddr: hardware})
	})
}

func emptySet(name string) error {
	conn := &nftables.Conn{}
	table := &nftables.Table{Family: nftables.TableFamilyBridge, Name: DefaultTable}
	set, err := conn.GetSetByName(table, name)
	if err != nil {
		return err
	}
	conn.FlushSet(set)
	return conn.Flush()
}

func TestGuard(t *testing.T) {
	enter(t)
	n, _ := open(t)
	must(t, n.Ensure())
	here := here(t)
	ctx, cancel := context.WithCancel(t.Context())
	var guards sync.WaitGroup
	guards.Go(func() {
		runtime.LockOSThread() // never unlocked: its thread ends in this namespace
		if err := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		n.Guard(ctx, time.Millisecond, func(err error) { t.Error(err) })
	})
	must(t, removeLink(DefaultBridge))
	eventually(t, "the bridge again", func() bool { _, err := netlink.LinkByName(DefaultBridge); return err == nil })
	cancel()
	guards.Wait()
}

// here gives the namespace of this thread.
func here(t *testing.T) *os.File {
	t.Helper()
	file, err := os.Open("/proc/thread-self/ns/net")
	must(t, err)
	t.Cleanup(func() { _ = file.Close() })
	return file
}

func TestTwoOnOneHost(t *testing.T) {
	enter(t)
	before := picture(t)
	one, fileOne := open(t)
	must(t, one.Ensure())
	attach(t, one, ann)
	fileTwo := filepath.Join(t.TempDir(), "network.json")
	two, err := Open(fileTwo, Config{Bridge: "second0", Table: "second", Subnet: netip.MustParsePrefix("10.7.0.0/24")})
	must(t, err)
	must(t, two.Ensure())
	other := ann
	other.IPv4 = "10.7.0.10"
	if attach(t, two, other).Tap == one.Ports()[ann.Name].Tap {
		t.Fatal("both have the same tap")
	}
	// Each mends only its own: the second's rules are no reason for the first to do anything but look at its own anew.
	must(t, one.Ensure(), two.Ensure())
	must(t, Down(fileOne, nil))
	if two.Ensure() != nil || len(two.Ports()) != 1 {
		t.Error("the second is not well after the first went down")
	}
	if value, err := readSetting(ipForward); err != nil || value != "1" {
		t.Errorf("the second mended its forwarding to %q, %v", value, err)
	}
	must(t, Down(fileTwo, nil))
	if d := differ(before, picture(t)); d != "" {
		t.Errorf("the host is not as before:\n%s", d)
	}
}

func TestCollisionsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T)
		says    string // "" for no refusal
	}{
		"nothing":               {func(t *testing.T) { foreign(t) }, ""},
		"an address in it":      {func(t *testing.T) { foreign(t); must(t, addAddress("eth7", "192.168.100.77/32")) }, "192.168.100.77/32 of interface eth7"},
		"a subnet around it":    {func(t *testing.T) { foreign(t); must(t, addAddress("virbr0", "192.168.50.1/16")) }, "192.168.50.1/16 of interface virbr0"},
		"a route into it":       {func(t *testing.T) { foreign(t); must(t, addRoute("virbr0", "192.168.100.128/25", "192.168.122.9")) }, "192.168.100.128/25 by interface virbr0"},
		"a default route":       {func(t *testing.T) { foreign(t); must(t, addRoute("virbr0", "0.0.0.0/0", "192.168.122.9")) }, ""},
		"the halves of a VPN":   {func(t *testing.T) { foreign(t); must(t, addRoute("virbr0", "128.0.0.0/1", "192.168.122.9")) }, ""},
		"a bridge of that name": {func(t *testing.T) { must(t, netlink.LinkAdd(&netlink.Bridge{LinkAttrs: named(DefaultBridge)})) }, "ip link delete stargate-br0"},
		"a table of that name": {func(t *testing.T) {
			conn := &nftables.Conn{}
			conn.AddTable(&nftables.Table{Family: nftables.TableFamilyBridge, Name: DefaultTable})
			must(t, conn.Flush())
		}, "nft delete table bridge stargate"},
	} {
		t.Run(name, func(t *testing.T) {
			enter(t)
			c.prepare(t)
			before := picture(t)
			n, file := open(t)
			view := Look(file, n.config)
			err := n.Ensure()
			if c.says == "" {
				must(t, err)
				if view.Problem != "" || view.Unknown != "" {
					t.Errorf("Look sees %+v", view)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.says) || view.Problem != err.Error() {
				t.Fatalf("got %v, and Look says %q; want a refusal that says %q", err, view.Problem, c.says)
			}
			if d := differ(before, picture(t)); d != "" {
				t.Errorf("it was refused, and changed:\n%s", d)
			}
			if _, err := os.Stat(file); !os.IsNotExist(err) {
				t.Errorf("it was refused, and recorded: %v", err)
			}
		})
	}
}

func TestDownLeavesWhatIsNotOurs(t *testing.T) {
	enter(t)
	n, file := open(t)
	must(t, n.Ensure())
	port := attach(t, n, ann)
	// Somebody took ours away, and made their own under the same names.
	must(t, removeLink(DefaultBridge), netlink.LinkAdd(&netlink.Bridge{LinkAttrs: named(DefaultBridge)}),
		removeLink(port.Tap), netlink.LinkAdd(&netlink.Veth{LinkAttrs: named(port.Tap), PeerName: "its-end"}))
	if err := n.Ensure(); err == nil || !strings.Contains(err.Error(), DefaultBridge) {
		t.Errorf("another's bridge was taken for ours: %v", err)
	}
	must(t, Down(file, nil))
	for _, name := range []string{DefaultBridge, port.Tap} {
		if _, err := netlink.LinkByName(name); err != nil {
			t.Errorf("%s was somebody else's, and is gone: %v", name, err)
		}
	}
}

func TestAnotherBootKeepsItsSettings(t *testing.T) {
	enter(t)
	n, file := open(t)
	must(t, n.Ensure())
	// The host started again: what the record says of its settings is of another time, and somebody wants forwarding now.
	old := *n.record
	old.Where = "another boot"
	must(t, format.Write(file, old))
	steps, err := PlanDown(file)
	must(t, err)
	for _, s := range steps {
		if s.deed == set {
			t.Errorf("it would do %s", s)
		}
	}
	again, err := Open(file, Config{})
	must(t, err)
	must(t, again.Ensure())
	if again.record.Settings != nil {
		t.Errorf("forwarding was on, and %v is to be restored", again.record.Settings)
	}
}

func TestConfigMayNotChangeUnderMachines(t *testing.T) {
	enter(t)
	n, file := open(t)
	must(t, n.Ensure())
	for _, c := range []Config{{Bridge: "other0"}, {Table: "other"}} {
		other, err := Open(file, c)
		must(t, err)
		if err := other.Ensure(); err == nil || !strings.Contains(err.Error(), "simulator down") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestLookSeesFirewalls(t *testing.T) {
	enter(t)
	foreign(t)
	n, file := open(t)
	must(t, n.Ensure())
	if view := Look(file, n.config); len(view.Drops) != 0 || !view.Forwarding || view.Problem != "" || view.Bridge != DefaultBridge {
		t.Errorf("of our own it says %+v", view)
	}
	conn := &nftables.Conn{}
	drop := nftables.ChainPolicyDrop
	forward := func(family nftables.TableFamily, table, name string, policy *nftables.ChainPolicy, rules ...[]expr.Any) {
		chain := conn.AddChain(&nftables.Chain{
			Name: name, Table: conn.AddTable(&nftables.Table{Family: family, Name: table}), Policy: policy,
			Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
		})
		for _, rule := range rules {
			conn.AddRule(&nftables.Rule{Table: chain.Table, Chain: chain, Exprs: rule})
		}
	}
	reject := []expr.Any{&expr.Counter{}, &expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH, Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}}
	forward(nftables.TableFamilyIPv4, "filter", "FORWARD", &drop)
	forward(nftables.TableFamilyINet, "firewalld", "filter_FORWARD", nil, established(), reject)
	forward(nftables.TableFamilyINet, "knows", "some", nil, ifname(expr.MetaKeyIIFNAME, expr.CmpOpEq, "eth7"), rule(ifname(expr.MetaKeyIIFNAME, expr.CmpOpEq, "eth7"), reject))
	forward(nftables.TableFamilyIPv6, "filter", "FORWARD", &drop)
	must(t, conn.Flush())
	view := Look(file, n.config)
	slices.Sort(view.Drops)
	if want := []string{"inet firewalld filter_FORWARD", "ip filter FORWARD"}; !slices.Equal(view.Drops, want) {
		t.Errorf("it says %+v, and is to name %v", view, want)
	}
}
