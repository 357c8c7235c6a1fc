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
		"a name":             {bind: "localhost", fails: true},
		"to a name":          {bind: "127.0.0.1", advertise: "example.com", fails: true},
		"no range":           {bind: "127.0.0.1", services: "10.96.0.0", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			if c.services == "" {
				c.services = "10.96.0.0/16"
			}
			o := Options{Data: "d", Bind: c.bind, Advertise: c.advertise, ServiceRange: c.services}
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
