package network

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"stargate.io/stargate/test/netns"
)

// churnEnv makes the test binary a program that adds and removes links until it is killed.
const churnEnv = "NETWORK_TEST_CHURN"

func TestMain(m *testing.M) {
	if file := os.Getenv(churnEnv); file != "" {
		churnForEver(file)
	}
	os.Exit(netns.Main(m))
}

// enter puts the test into a network namespace of its own beside the test binary's, with a loopback. Its thread, and with it
// the namespace, ends with the test; subtests run on other threads and enter their own.
func enter(t *testing.T) {
	t.Helper()
	if !netns.Inside() {
		t.Skip("it needs a network namespace of its own: run the tests as root")
	}
	t.Parallel() // most of the time the kernel waits for its own readers
	runtime.LockOSThread()
	if err := newNamespace(); err != nil {
		t.Fatal(err)
	}
}

func newNamespace() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("making a network namespace: %w", err)
	}
	return onLink("lo", netlink.LinkSetUp)
}

// namespace is another one, with a thread of its own.
type namespace struct {
	t     *testing.T
	file  *os.File
	calls chan func()
}

func beside(t *testing.T) *namespace {
	t.Helper()
	n := &namespace{t: t, calls: make(chan func())}
	ready := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := newNamespace()
		if err == nil {
			n.file, err = os.Open("/proc/thread-self/ns/net")
		}
		ready <- err
		for call := range n.calls {
			call()
		}
	}()
	if err := <-ready; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { close(n.calls); _ = n.file.Close() })
	return n
}

// do runs a function in the namespace, and waits for it.
func (n *namespace) do(call func() error) {
	n.t.Helper()
	done := make(chan error)
	n.calls <- func() { done <- call() }
	if err := <-done; err != nil {
		n.t.Fatal(err)
	}
}

// must fails the test.
func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// veth joins this namespace with another: the host's uplink and what it leads to.
func veth(t *testing.T, here, hereAddress string, other *namespace, there, thereAddress string) {
	t.Helper()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = here
	must(t,
		netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: there, PeerNamespace: netlink.NsFd(other.file.Fd())}),
		addAddress(here, hereAddress), onLink(here, netlink.LinkSetUp))
	other.do(func() error {
		if err := addAddress(there, thereAddress); err != nil {
			return err
		}
		return onLink(there, netlink.LinkSetUp)
	})
}

func addRoute(link, destination, via string) error {
	_, dst, err := net.ParseCIDR(destination)
	if err != nil {
		return err
	}
	return onLink(link, func(l netlink.Link) error {
		return netlink.RouteAdd(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: dst, Gw: net.ParseIP(via)})
	})
}

// openTap opens a tap's other end, as QEMU does.
func openTap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETIFF, uintptr(unsafe.Pointer(request))); errno != 0 {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("opening tap %s: %w", name, errno)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// guest is a machine without a machine: a namespace whose only interface is wired to a tap of ours. Its kernel is a real
// one, so it answers ARP and pings, and its programs dial and listen.
type guest struct {
	*namespace
	t    *testing.T
	port *os.File // the tap's other end: what is written to it, the bridge gets

	mu    sync.Mutex
	heard [][]byte
}

func plugGuest(t *testing.T, port Port, gateway string) *guest {
	t.Helper()
	g := &guest{namespace: beside(t), t: t}
	var err error
	g.port, err = openTap(port.Tap)
	must(t, err)
	var nic *os.File
	g.do(func() error {
		if nic, err = openTap("eth0"); err != nil {
			return err
		}
		mac, err := net.ParseMAC(port.MAC)
		if err != nil {
			return err
		}
		if err := onLink("eth0", func(l netlink.Link) error { return netlink.LinkSetHardwareAddr(l, mac) }); err != nil {
			return err
		}
		if err := addAddress("eth0", port.IPv4.String()+"/24"); err != nil {
			return err
		}
		if err := onLink("eth0", netlink.LinkSetUp); err != nil {
			return err
		}
		return addRoute("eth0", "0.0.0.0/0", gateway)
	})
	var wires sync.WaitGroup
	wires.Go(func() { g.wire(g.port, nic, true) })
	wires.Go(func() { g.wire(nic, g.port, false) })
	t.Cleanup(func() { _ = g.port.Close(); _ = nic.Close(); wires.Wait() })
	return g
}

// wire carries frames until one of its ends is closed.
func (g *guest) wire(from, to *os.File, listen bool) {
	frame := make([]byte, 1<<16)
	for {
		n, err := from.Read(frame)
		if err != nil {
			return
		}
		if listen {
			g.mu.Lock()
			g.heard = append(g.heard, append([]byte(nil), frame[:n]...))
			g.mu.Unlock()
		}
		_, _ = to.Write(frame[:n]) // a link that is down takes nothing: the frame is lost, as on a cut cable
	}
}

// say puts a frame on the wire as it is.
func (g *guest) say(frame []byte) {
	g.t.Helper()
	if _, err := g.port.Write(frame); err != nil {
		g.t.Fatal(err)
	}
}

// hears tells whether a frame that fits came in so far.
func (g *guest) hears(fits func([]byte) bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, frame := range g.heard {
		if fits(frame) {
			return true
		}
	}
	return false
}

// eventually waits for something to become so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !so(); {
		if time.Now().After(deadline) {
			t.Fatalf("after ten seconds: not %s", what)
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
}

// picture is all of a namespace that a simulator could have changed, as text.
func picture(t *testing.T) string {
	t.Helper()
	now, err := survey()
	must(t, err)
	var lines []string
	for name, l := range now.links {
		lines = append(lines, fmt.Sprintf("link %s %s %s master=%s up=%v pinned=%v", name, l.kind, l.mac, l.master, l.up, l.pinned))
	}
	for _, a := range now.addresses {
		lines = append(lines, fmt.Sprintf("address %s %s", a.link, a.prefix))
	}
	for _, r := range now.routes {
		lines = append(lines, fmt.Sprintf("route %s %s", r.link, r.destination))
	}
	lines = append(lines, ruleset(t)...)
	lines = append(lines, allSettings(t)...)
	slicesSort(lines)
	return strings.Join(lines, "\n")
}

// allSettings reads every setting of IPv4 and IPv6 that can be read.
func allSettings(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, top := range []string{"net/ipv4", "net/ipv6", "net/bridge"} {
		_ = filepath.WalkDir(filepath.Join(sysctls, top), func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				if value, err := os.ReadFile(path); err == nil {
					found = append(found, fmt.Sprintf("setting %s = %s", path, strings.TrimSpace(string(value))))
				}
			}
			return nil
		})
	}
	if len(found) < 20 {
		t.Fatalf("only %d settings can be read", len(found))
	}
	return found
}
