package bmc_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/bmc"
)

func TestAddressOf(t *testing.T) {
	subnet := netip.MustParsePrefix("192.168.100.0/24")
	for _, c := range []struct{ ipv4, want string }{
		{"192.168.100.11", "192.168.100.1:8011"}, {"192.168.100.254", "192.168.100.1:8254"}, {"192.168.101.1", ""}, {"", ""}, {"::1", ""},
	} {
		got, err := bmc.AddressOf("192.168.100.1", 8000, subnet, simulator.Server{Name: "server-001", IPv4: c.ipv4})
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: got %q, %v; want %q", c.ipv4, got, err, c.want)
		}
	}
	wide := netip.MustParsePrefix("10.0.0.0/8")
	if got, err := bmc.AddressOf("10.0.0.1", 8000, wide, simulator.Server{Name: "s", IPv4: "10.1.0.1"}); err == nil {
		t.Errorf("a port above the last is given: %s", got)
	}
	if got, err := bmc.AddressOf("10.0.0.1", 8000, wide, simulator.Server{Name: "s", IPv4: "10.0.1.2"}); err != nil || got != "10.0.0.1:8258" {
		t.Errorf("got %s, %v", got, err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// TestRack: machines get their controllers as they come, lose them as they go, and take their media with them.
func TestRack(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	media := filepath.Join(t.TempDir(), "media")
	for _, name := range []string{"server-001", "long-gone"} {
		if err := os.MkdirAll(filepath.Join(media, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	first, second := freePort(t), freePort(t)
	var machines atomic.Pointer[[]simulator.Status]
	be := func(addresses ...string) {
		list := []simulator.Status{}
		for i, address := range addresses {
			list = append(list, simulator.Status{Server: simulator.Server{Name: fmt.Sprintf("server-%03d", i+1)}, BMC: address})
		}
		machines.Store(&list)
	}
	be(first)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	rack := &bmc.Rack{
		Config:   bmc.Config{Panels: newBench(), User: "admin", Password: "secret", Media: bmc.Media{Folder: media}},
		Machines: func() []simulator.Status { return *machines.Load() }, Every: 5 * time.Millisecond,
	}
	go func() { ended <- rack.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	serves := func(address string) bool {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/redfish/v1", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	}
	eventually := func(what string, so func() bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); !so(); {
			if time.Now().After(deadline) {
				t.Fatalf("it is not so in time: %s", what)
			}
		}
	}
	eventually("a machine is served", func() bool { return serves(first) })
	if left := files(t, media); len(left) != 1 {
		t.Errorf("media of machines that are no more: %v", left)
	}
	// An address that is taken is tried again until it is free.
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", second)
	if err != nil {
		t.Fatal(err)
	}
	be(second)
	eventually("the old address is left", func() bool { return !serves(first) })
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	eventually("the new address is served", func() bool { return serves(second) })
	be()
	eventually("a machine that is no more is not served", func() bool { return !serves(second) })
	eventually("its media are gone", func() bool { return len(files(t, media)) == 0 })
	be(first)
	eventually("it is back", func() bool { return serves(first) })
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if serves(first) {
		t.Error("it is served after the rack has ended")
	}
}
