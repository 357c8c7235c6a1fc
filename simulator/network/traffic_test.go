package network

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"stargate.io/stargate/simulator"
)

const gateway = "192.168.100.1"

// listenUDP opens a socket in a namespace.
func (n *namespace) listenUDP(address string) *net.UDPConn {
	n.t.Helper()
	var conn *net.UDPConn
	n.do(func() error {
		local, err := net.ResolveUDPAddr("udp4", address)
		if err != nil {
			return err
		}
		conn, err = net.ListenUDP("udp4", local)
		return err
	})
	n.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// sendTo sends a datagram.
func sendTo(t *testing.T, from *net.UDPConn, to, text string) {
	t.Helper()
	if _, err := from.WriteTo([]byte(text), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))); err != nil {
		t.Fatal(err)
	}
}

// receive gives the next datagram and who sent it.
func receive(t *testing.T, on *net.UDPConn) (text, from string) {
	t.Helper()
	must(t, on.SetReadDeadline(time.Now().Add(10*time.Second)))
	packet := make([]byte, 1500)
	n, who, err := on.ReadFromUDPAddrPort(packet)
	must(t, err)
	return string(packet[:n]), who.Addr().String()
}

// world is a host with an uplink, and two machines.
func world(t *testing.T) (n *Network, outside *namespace, a, b *guest) {
	t.Helper()
	enter(t)
	outside = beside(t)
	veth(t, "eth0", "10.9.0.1/24", outside, "out0", "10.9.0.2/24")
	n, _ = open(t)
	must(t, n.Ensure())
	portA, portB := attach(t, n, ann), attach(t, n, bob)
	a, b = plugGuest(t, portA, gateway), plugGuest(t, portB, gateway)
	// The kernel lets a port take part a moment after its other end is opened.
	for _, port := range []Port{portA, portB} {
		eventually(t, "the guest there", func() bool { return n.Reach(t.Context(), port.IPv4.String()) })
	}
	return n, outside, a, b
}

func TestMachinesReachTheOutsideAndEachOther(t *testing.T) {
	_, outside, a, b := world(t)
	server := outside.listenUDP("10.9.0.2:7")
	client, other := a.listenUDP("0.0.0.0:4000"), b.listenUDP("0.0.0.0:4000")

	sendTo(t, client, "10.9.0.2:7", "hello")
	if text, from := receive(t, server); text != "hello" || from != "10.9.0.1" {
		t.Errorf("the outside got %q from %s: it is to be the host that speaks for the machine", text, from)
	}
	sendTo(t, client, ann.IPv4[:len(ann.IPv4)-2]+"11:4000", "neighbour")
	if text, from := receive(t, other); text != "neighbour" || from != ann.IPv4 {
		t.Errorf("the neighbour got %q from %s", text, from)
	}
}

func TestTheOutsideHasNoWayIn(t *testing.T) {
	_, outside, a, _ := world(t)
	outside.do(func() error { return addRoute("out0", "192.168.100.0/24", "10.9.0.1") })
	server, client := outside.listenUDP("10.9.0.2:7"), a.listenUDP("0.0.0.0:4000")
	sendTo(t, server, ann.IPv4+":4000", "from outside, unasked")
	// What is asked for comes in, on the same way, after it.
	sendTo(t, client, "10.9.0.2:7", "question")
	_, _ = receive(t, server)
	sendTo(t, server, "10.9.0.1:4000", "answer")
	if text, _ := receive(t, client); text != "answer" {
		t.Errorf("the machine got %q", text)
	}
}

// frame puts an Ethernet frame together.
func frame(t *testing.T, destination, source string, kind uint16, payload ...[]byte) []byte {
	t.Helper()
	to, err := net.ParseMAC(destination)
	must(t, err)
	from, err := net.ParseMAC(source)
	must(t, err)
	head := binary.BigEndian.AppendUint16(append(bytes.Clone(to), from...), kind)
	return append(head, bytes.Join(payload, nil)...)
}

// datagram is IPv4 and UDP with a text in it.
func datagram(source, destination, text string) []byte {
	udp := []byte{0x0f, 0xa0, 0x0f, 0xa0, 0, byte(8 + len(text)), 0, 0}
	ip := []byte{0x45, 0, 0, byte(20 + len(udp) + len(text)), 0, 0, 0, 0, 64, 17, 0, 0}
	ip = append(append(ip, netip.MustParseAddr(source).AsSlice()...), netip.MustParseAddr(destination).AsSlice()...)
	sum := uint32(0)
	for i := 0; i < len(ip); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[i:]))
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(sum+sum>>16))
	return append(append(ip, udp...), text...)
}

// arp says that an address is at a MAC.
func arp(t *testing.T, mac, address string) []byte {
	t.Helper()
	from, err := net.ParseMAC(mac)
	must(t, err)
	packet := arpRequest(from, netip.MustParseAddr(address), netip.MustParseAddr(bob.IPv4))
	packet[7] = 2
	return packet
}

const everybody = "ff:ff:ff:ff:ff:ff"

func TestMachinesSpeakForThemselvesOnly(t *testing.T) {
	_, _, a, b := world(t)
	stranger := "52:54:00:00:00:99"
	lies := map[string][]byte{
		"another's address":              frame(t, bob.MAC, ann.MAC, unix.ETH_P_IP, datagram("192.168.100.11", bob.IPv4, "LIE")),
		"the gateway's address":          frame(t, bob.MAC, ann.MAC, unix.ETH_P_IP, datagram(gateway, bob.IPv4, "LIE")),
		"the outside's address":          frame(t, bob.MAC, ann.MAC, unix.ETH_P_IP, datagram("10.9.0.2", bob.IPv4, "LIE")),
		"no address":                     frame(t, bob.MAC, ann.MAC, unix.ETH_P_IP, datagram("0.0.0.0", bob.IPv4, "LIE")),
		"another MAC":                    frame(t, bob.MAC, stranger, unix.ETH_P_IP, datagram(ann.IPv4, bob.IPv4, "LIE")),
		"ARP for the gateway":            frame(t, everybody, ann.MAC, unix.ETH_P_ARP, arp(t, ann.MAC, gateway), []byte("LIE")),
		"ARP for another machine":        frame(t, everybody, ann.MAC, unix.ETH_P_ARP, arp(t, ann.MAC, "192.168.100.12"), []byte("LIE")),
		"ARP that names another MAC":     frame(t, everybody, ann.MAC, unix.ETH_P_ARP, arp(t, stranger, ann.IPv4), []byte("LIE")),
		"ARP with longer addresses":      frame(t, everybody, ann.MAC, unix.ETH_P_ARP, []byte{0, 1, 8, 0, 8, 4}, arp(t, ann.MAC, ann.IPv4)[6:], []byte("LIE")),
		"ARP from a MAC that is not its": frame(t, everybody, stranger, unix.ETH_P_ARP, arp(t, ann.MAC, ann.IPv4), []byte("LIE")),
		"IPv6":                           frame(t, everybody, ann.MAC, unix.ETH_P_IPV6, []byte("LIE")),
		"a VLAN":                         frame(t, everybody, ann.MAC, unix.ETH_P_8021Q, []byte{0, 5, 8, 0}, datagram(ann.IPv4, bob.IPv4, "LIE")),
		"a protocol of its own":          frame(t, everybody, ann.MAC, 0x88b5, []byte("LIE")),
		"what a cloud tells its hosts":   frame(t, everybody, ann.MAC, unix.ETH_P_IP, datagram(ann.IPv4, "169.254.169.254", "LIE")),
		"the loopback":                   frame(t, everybody, ann.MAC, unix.ETH_P_IP, datagram(ann.IPv4, "127.0.0.1", "LIE")),
	}
	for name, lie := range lies {
		a.say(lie)
		// The truth goes the same way, after it: when it is there, what was let pass of the lie is there too.
		truth := "TRUTH " + name
		a.say(frame(t, bob.MAC, ann.MAC, unix.ETH_P_IP, datagram(ann.IPv4, bob.IPv4, truth)))
		eventually(t, truth, func() bool { return b.hears(func(f []byte) bool { return bytes.Contains(f, []byte(truth)) }) })
		if b.hears(func(f []byte) bool { return bytes.Contains(f, []byte("LIE")) }) {
			t.Fatalf("%s came through", name)
		}
	}
	probe := arp(t, ann.MAC, "0.0.0.0")
	a.say(frame(t, everybody, ann.MAC, unix.ETH_P_ARP, probe))
	eventually(t, "a probe for its own address heard", func() bool { return b.hears(func(f []byte) bool { return bytes.Contains(f, probe) }) })
}

func TestTheHostsLoopbackIsItsOwn(t *testing.T) {
	_, _, a, _ := world(t)
	// As a kube-proxy leaves it.
	must(t, writeSetting("net/ipv4/conf/all/route_localnet", "1"))
	bridge, err := netlink.LinkByName(DefaultBridge)
	must(t, err)
	local, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4000})
	must(t, err)
	defer local.Close()
	own, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(192, 168, 100, 1), Port: 4000})
	must(t, err)
	defer own.Close()
	mac := bridge.Attrs().HardwareAddr.String()
	a.say(frame(t, mac, ann.MAC, unix.ETH_P_IP, datagram(ann.IPv4, "127.0.0.1", "to the loopback")))
	a.say(frame(t, mac, ann.MAC, unix.ETH_P_IP, datagram(ann.IPv4, gateway, "to the gateway")))
	if text, _ := receive(t, own); text != "to the gateway" {
		t.Errorf("the host got %q", text)
	}
	must(t, local.SetReadDeadline(time.Unix(1, 0)))
	if n, _, err := local.ReadFrom(make([]byte, 100)); err == nil {
		t.Errorf("the loopback got %d bytes", n)
	}
}

// TestTheBridgeIsNotTaught: frames to link-local addresses reach the bridge's memory before any rule sees them.
func TestTheBridgeIsNotTaught(t *testing.T) {
	n, _, a, b := world(t)
	a.say(frame(t, "01:80:c2:00:00:0e", bob.MAC, 0x88cc, []byte("LLDP")))
	a.say(frame(t, bob.MAC, ann.MAC, unix.ETH_P_IP, datagram(ann.IPv4, bob.IPv4, "after it")))
	eventually(t, "what came after it heard", func() bool { return b.hears(func(f []byte) bool { return bytes.Contains(f, []byte("after it")) }) })
	for name, server := range map[string]string{ann.Name: ann.MAC, bob.Name: bob.MAC} {
		tap := n.Ports()[name].Tap
		must(t, onLink(tap, func(l netlink.Link) error {
			entries, err := netlink.NeighList(l.Attrs().Index, unix.AF_BRIDGE)
			if err != nil {
				return err
			}
			var known []string
			for _, entry := range entries {
				if entry.State&netlink.NUD_PERMANENT == 0 { // the tap's own
					known = append(known, entry.HardwareAddr.String())
				}
			}
			if !slices.Equal(known, []string{server}) {
				return fmt.Errorf("the bridge has %v on the tap of %s", known, name)
			}
			return nil
		}))
	}
}

func TestReachCutAndMend(t *testing.T) {
	n, _, _, _ := world(t)
	reaches := func(address string) bool { return n.Reach(t.Context(), address) }
	if !reaches(ann.IPv4) || !reaches(bob.IPv4) {
		t.Fatal("machines that answer are not reached")
	}
	if reaches("192.168.100.99") {
		t.Error("nobody was reached")
	}
	must(t, n.Cut(t.Context(), ann.Name), n.Ensure())
	if reaches(ann.IPv4) || !n.Ports()[ann.Name].Cut {
		t.Error("a machine with its cable cut was reached")
	}
	// It is cut for good: a simulator that starts again leaves it so.
	again, err := Open(n.file, Config{})
	must(t, err)
	must(t, again.Ensure())
	if reaches(ann.IPv4) || !reaches(bob.IPv4) {
		t.Error("after a restart another cable is cut")
	}
	must(t, n.Mend(t.Context(), ann.Name))
	if !reaches(ann.IPv4) {
		t.Error("a mended machine is not reached")
	}
	must(t, n.Cut(t.Context(), ann.Name))
	attach(t, n, ann)
	if !reaches(ann.IPv4) {
		t.Error("a machine that is started again is not reached")
	}
	for _, nobody := range []string{"10.9.0.2", "", "fe80::1", "localhost"} {
		if reaches(nobody) {
			t.Errorf("%q was reached", nobody)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	begun := time.Now()
	if n.Reach(ended, "192.168.100.99") || time.Since(begun) > time.Second {
		t.Errorf("after the end of its context it took %v", time.Since(begun))
	}
	for _, do := range []func(context.Context, string) error{n.Cut, n.Mend} {
		if err := do(t.Context(), "nobody"); err == nil {
			t.Error("the cable of nobody was cut")
		}
	}
}

// TestReachMendsTheHost: a bridge that somebody took away is not the machine's fault.
func TestReachMendsTheHost(t *testing.T) {
	n, _, _, _ := world(t)
	must(t, removeLink(DefaultBridge))
	eventually(t, "the machine reached by a new bridge", func() bool {
		reached := n.Reach(t.Context(), ann.IPv4)
		if _, err := netlink.LinkByName(DefaultBridge); err != nil {
			t.Fatalf("it says %v, and there is no bridge: %v", reached, err)
		}
		return reached
	})
}

func TestOnlyTheMachineAnswersForItself(t *testing.T) {
	address := netip.MustParseAddr(ann.IPv4)
	answer := arp(t, ann.MAC, ann.IPv4)
	if !answers(answer, address) || !answers(append(bytes.Clone(answer), make([]byte, 18)...), address) {
		t.Error("its answer is not heard")
	}
	for name, packet := range map[string][]byte{
		"nothing":           {},
		"half of it":        answer[:17],
		"another's answer":  arp(t, bob.MAC, bob.IPv4),
		"a question for it": arpRequest(net.HardwareAddr{2, 0, 0, 0, 0, 1}, netip.MustParseAddr(gateway), address),
		"another protocol":  append([]byte{0, 1, 0x86, 0xdd, 6, 4}, answer[6:]...),
	} {
		if answers(packet, address) {
			t.Errorf("%s was taken for its answer", name)
		}
	}
}

func TestKeepAndRemove(t *testing.T) {
	enter(t)
	n, _ := open(t)
	must(t, n.Remove(t.Context(), "nobody"), n.Keep(t.Context(), nil))
	tap := attach(t, n, ann).Tap // without an Ensure before it
	attach(t, n, bob)
	must(t, n.Keep(t.Context(), []string{bob.Name, "carol"}))
	if _, err := netlink.LinkByName(tap); err == nil || len(n.Ports()) != 1 || n.Ports()[bob.Name].Tap == "" {
		t.Errorf("it keeps %v; %s: %v", n.Ports(), tap, err)
	}
	// The address is free again.
	must(t, n.Check(simulator.Server{Name: "carol", MAC: ann.MAC, IPv4: ann.IPv4}))
	if err := n.Check(simulator.Server{Name: "carol", MAC: ann.MAC, IPv4: bob.IPv4}); err == nil {
		t.Error("an address was given twice")
	}
	must(t, n.Remove(t.Context(), bob.Name), n.Remove(t.Context(), bob.Name))
	if len(n.Ports()) != 0 {
		t.Errorf("it still has %v", n.Ports())
	}
}
