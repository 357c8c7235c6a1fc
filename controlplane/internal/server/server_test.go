package server

import (
	"context"
	"errors"
	"net"
	"testing"
)

func TestAddress(t *testing.T) {
	for name, c := range map[string]struct {
		bind, advertise, services string
		join                      string
		local, public, service    string
		fails                     bool
	}{
		"default":            {bind: "127.0.0.1", local: "127.0.0.1", public: "127.0.0.1", service: "10.96.0.1"},
		"IPv6":               {bind: "::1", services: "fd00::/112", local: "::1", public: "::1", service: "fd00::1"},
		"one address":        {bind: "192.0.2.1", local: "192.0.2.1", public: "192.0.2.1", service: "10.96.0.1"},
		"behind another":     {bind: "192.0.2.1", advertise: "198.51.100.1", local: "192.0.2.1", public: "198.51.100.1", service: "10.96.0.1"},
		"all":                {bind: "0.0.0.0", advertise: "192.0.2.1", local: "127.0.0.1", public: "192.0.2.1", service: "10.96.0.1"},
		"all of IPv6":        {bind: "::", advertise: "2001:db8::1", local: "::1", public: "2001:db8::1", service: "10.96.0.1"},
		"all, of which none": {bind: "0.0.0.0", fails: true},
		"and one to join at": {bind: "127.0.0.1", join: "192.0.2.1", local: "127.0.0.1", public: "192.0.2.1", service: "10.96.0.1"},
		"join at a name":     {bind: "127.0.0.1", join: "example.com", fails: true},
		"join at any":        {bind: "127.0.0.1", join: "0.0.0.0", fails: true},
		"join at the same":   {bind: "127.0.0.1", join: "127.0.0.1", fails: true},
		"join at one of all": {bind: "0.0.0.0", advertise: "192.0.2.1", join: "192.0.2.1", fails: true},
		"join and advertise": {bind: "127.0.0.1", advertise: "198.51.100.1", join: "192.0.2.1", fails: true},
		"a name":             {bind: "localhost", fails: true},
		"to a name":          {bind: "127.0.0.1", advertise: "example.com", fails: true},
		"no range":           {bind: "127.0.0.1", services: "10.96.0.0", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			if c.services == "" {
				c.services = "10.96.0.0/16"
			}
			o := Options{Data: "d", Bind: c.bind, Advertise: c.advertise, Join: c.join, ServiceRange: c.services}
			a, err := o.complete()
			if c.fails {
				if !errors.Is(err, ErrUsage) {
					t.Errorf("got %v, want ErrUsage", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if a.local.String() != c.local || a.advertise.String() != c.public || a.service.String() != c.service {
				t.Errorf("got %s, %s, %s", a.local, a.advertise, a.service)
			}
		})
	}
}

func TestListen(t *testing.T) {
	loopback := net.IPv4(127, 0, 0, 1)
	first, err := listen(loopback, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	port := portOf(first)
	if _, err := listen(loopback, port, 0); err == nil {
		t.Error("got a port that is taken")
	}
	other, err := listen(loopback, 0, port)
	if err != nil || portOf(other) == port {
		t.Errorf("the last one is taken: got %v", err)
	}
	other.Close()
	first.Close()
	again, err := listen(loopback, 0, port)
	if err != nil || portOf(again) != port {
		t.Errorf("the last one is free: got %v, want %d", err, port)
	}
	again.Close()
	if _, err := listen(net.IPv4(192, 0, 2, 1), 0, 0); err == nil {
		t.Error("got an address that is not this machine's")
	}
}

// TestListenToo: one port at two addresses, of which the second need not be there yet.
func TestListenToo(t *testing.T) {
	first, err := listen(net.IPv4(127, 0, 0, 1), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if later, err := listenToo(first, net.IPv4(192, 0, 2, 1)); err != nil || portOf(later) != portOf(first) {
		t.Fatalf("an address that this machine has not: got %v", err)
	}
	if _, err := listenToo(first, net.IPv4(192, 0, 2, 1)); err == nil {
		t.Error("got an address and port that are taken")
	}
	if same, err := listenToo(first, nil); err != nil || same != first {
		t.Errorf("none: got %v, %v", same, err)
	}
}

func TestMergedAcceptsFromAll(t *testing.T) {
	loopback, beside := net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 2)
	first, err := listen(loopback, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	both, err := listenToo(first, beside)
	if err != nil {
		t.Fatal(err)
	}
	port := portOf(both)
	for _, ip := range []net.IP{beside, loopback, beside} {
		client, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: ip, Port: port})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := both.Accept()
		if err != nil || !conn.LocalAddr().(*net.TCPAddr).IP.Equal(ip) || conn.RemoteAddr().String() != client.LocalAddr().String() {
			t.Fatalf("dialled %s, accepted %v: %v", ip, conn, err)
		}
		conn.Close()
		client.Close()
	}
	if err := both.Close(); err != nil {
		t.Error(err)
	}
	both.Close() // once more is no panic
	if _, err := both.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed, and accepted: %v", err)
	}
	for _, ip := range []net.IP{loopback, beside} {
		if conn, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: ip, Port: port}); err == nil {
			conn.Close()
			t.Errorf("%s still answers", ip)
		}
	}
}

func TestWatchEndsWithWhatAPartDiedOf(t *testing.T) {
	died := errors.New("died")
	p := &plane{}
	p.dead, p.fail = context.WithCancelCause(t.Context())
	p.fail(died)
	p.fail(errors.New("a consequence"))
	if err := p.watch(t.Context()); !errors.Is(err, died) {
		t.Errorf("got %v, want what died first", err)
	}
}

func TestStopGoesBackwardsAndThroughAll(t *testing.T) {
	var order []int
	p := &plane{}
	for i := range 3 {
		p.stops = append(p.stops, func() error {
			order = append(order, i)
			return errors.New("failed")
		})
	}
	if err := p.stop(); err == nil {
		t.Error("got no error")
	}
	if len(order) != 3 || order[0] != 2 || order[2] != 0 {
		t.Errorf("got %v", order)
	}
}
