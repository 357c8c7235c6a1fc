package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// listen binds the port asked for. With 0 it takes the last one again where it
// is free, so that kubeconfigs written before keep working, and any other where it is not.
func listen(bind net.IP, port, last int) (net.Listener, error) {
	if port == 0 && last != 0 {
		if l, err := bindTo(bind, last); err == nil {
			return l, nil
		}
	}
	l, err := bindTo(bind, port)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listening on %s: another process has this port; stop it or choose another with --port (0 takes a free one)",
			net.JoinHostPort(bind.String(), strconv.Itoa(port)))
	}
	if errors.Is(err, syscall.EADDRNOTAVAIL) {
		return nil, fmt.Errorf("listening on %s: this machine has no such address; choose another with --bind", bind)
	}
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return l, nil
}

func bindTo(bind net.IP, port int) (net.Listener, error) {
	return net.ListenTCP("tcp", &net.TCPAddr{IP: bind, Port: port})
}

// listenToo adds the address at which nodes join to one that listens. The machine
// need not have that address yet: the bridge of the machines that are to join is
// often made after this process began.
func listenToo(first net.Listener, join net.IP) (net.Listener, error) {
	if join == nil {
		return first, nil
	}
	at := net.JoinHostPort(join.String(), strconv.Itoa(portOf(first)))
	config := net.ListenConfig{Control: freely}
	second, err := config.Listen(context.Background(), "tcp", at)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listening on %s, for --join-address: another process has this port; choose another with --port", at)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s, for --join-address: %w", at, err)
	}
	return merge(first, second), nil
}

// freely lets a socket have an address that this machine has not, or not yet.
func freely(network, _ string, raw syscall.RawConn) error {
	var err error
	level, option := unix.SOL_IP, unix.IP_FREEBIND
	if network == "tcp6" {
		level, option = unix.SOL_IPV6, unix.IPV6_FREEBIND
	}
	if failed := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) }); failed != nil {
		return failed
	}
	return err
}

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

func url(ip net.IP, port int) string {
	return "https://" + net.JoinHostPort(ip.String(), strconv.Itoa(port))
}
