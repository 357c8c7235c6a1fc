package server

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
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

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

func url(ip net.IP, port int) string {
	return "https://" + net.JoinHostPort(ip.String(), strconv.Itoa(port))
}
