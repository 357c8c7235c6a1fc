package network

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// How long Reach waits for an answer in all, and between its questions.
const (
	reachFor   = 2 * time.Second
	reachEvery = 250 * time.Millisecond
)

// Reach tells whether a machine answers on its network. It asks by ARP from the bridge, which a kernel answers whatever
// its firewall says, and waits for at most two seconds, or until ctx ends. Where the host does not let it ask, it first
// mends the host; what still cannot be asked is not held against the machine.
func (n *Network) Reach(ctx context.Context, ipv4 string) bool {
	machine, err := netip.ParseAddr(ipv4)
	if err != nil || !n.config.Subnet.Contains(machine) {
		return false // nobody can be there
	}
	reached, err := n.ask(ctx, machine)
	if err != nil && n.Ensure() == nil {
		reached, err = n.ask(ctx, machine)
	}
	return reached || err != nil
}

// ask gives an error for what says nothing of the machine.
func (n *Network) ask(ctx context.Context, machine netip.Addr) (bool, error) {
	bridge, err := netlink.LinkByName(n.config.Bridge)
	if err != nil {
		return false, err
	}
	question := arpRequest(bridge.Attrs().HardwareAddr, n.config.Gateway, machine)
	socket, err := arpSocket(bridge.Attrs().Index)
	if err != nil {
		return false, err
	}
	defer func() { _ = socket.Close() }() // nothing was kept in it
	ctx, cancel := context.WithTimeout(ctx, reachFor)
	defer cancel()
	for ctx.Err() == nil {
		if err := send(socket, bridge.Attrs().Index, question); err != nil {
			return false, err
		}
		deadline, _ := ctx.Deadline()
		if next := time.Now().Add(reachEvery); next.Before(deadline) {
			deadline = next
		}
		if answered, err := listen(ctx, socket, machine, deadline); answered || err != nil {
			return answered, err
		}
	}
	return false, nil
}

// arpSocket gives a socket that hears the ARP of one interface, and no more.
func arpSocket(index int) (*os.File, error) {
	// Bound to no protocol at first, it hears nothing before it is bound to its interface.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ARP), Ifindex: index}); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "arp"), nil
}

// networkOrder swaps a protocol's bytes, as packet sockets want it.
func networkOrder(protocol uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, protocol))
}

func send(socket *os.File, index int, packet []byte) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	to := &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ARP), Ifindex: index, Halen: 6}
	copy(to.Addr[:], []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		sent = unix.Sendto(int(fd), packet, 0, to)
		return !errors.Is(sent, unix.EAGAIN)
	})
	return errors.Join(err, sent)
}

// listen waits for a machine's answer until a deadline, or until ctx ends.
func listen(ctx context.Context, socket *os.File, machine netip.Addr, deadline time.Time) (bool, error) {
	if err := socket.SetReadDeadline(deadline); err != nil {
		return false, err
	}
	stop := context.AfterFunc(ctx, func() { _ = socket.SetReadDeadline(time.Unix(1, 0)) }) // it fails only on a closed socket
	defer stop()
	for packet := make([]byte, 128); ; {
		got, err := socket.Read(packet)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if answers(packet[:got], machine) {
			return true, nil
		}
	}
}

// arpHead is that of IPv4 on Ethernet.
var arpHead = []byte{0, 1, 0x08, 0x00, 6, 4}

func arpRequest(from net.HardwareAddr, sender, target netip.Addr) []byte {
	packet := append(bytes.Clone(arpHead), 0, 1)
	packet = append(append(packet, from...), sender.AsSlice()...)
	return append(append(packet, make([]byte, 6)...), target.AsSlice()...)
}

// answers tells whether an ARP packet comes from a machine: its replies do, and so does whatever it asks itself.
func answers(packet []byte, machine netip.Addr) bool {
	const sender = 14
	return len(packet) >= sender+4 && bytes.HasPrefix(packet, arpHead) && bytes.Equal(packet[sender:sender+4], machine.AsSlice())
}
