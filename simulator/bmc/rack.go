package bmc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"stargate.io/stargate/simulator"
)

// AddressOf gives where the management controller of a server listens: a port of its own on the host, the first plus the
// server's place in the subnet, so that it is the same after every restart and needs no file.
// Errors: the server's address is not in the subnet, or there is no such port.
func AddressOf(host string, first int, subnet netip.Prefix, server simulator.Server) (string, error) {
	address, err := netip.ParseAddr(server.IPv4)
	if err != nil || !address.Is4() || !subnet.Contains(address) {
		return "", fmt.Errorf("giving %s a management controller: its address %.40q is not in %s", server.Name, server.IPv4, subnet)
	}
	place := 0
	for i, base := range subnet.Masked().Addr().As4() {
		place = place<<8 + int(address.As4()[i]) - int(base)
	}
	if port := first + place; port < 1<<16 {
		return net.JoinHostPort(host, strconv.Itoa(port)), nil
	}
	return "", fmt.Errorf("giving %s a management controller: port %d does not exist; take a lower first port or a smaller subnet", server.Name, first+place)
}

// Rack serves the management controllers of all machines that there are.
type Rack struct {
	Config
	// Machines that there are now.
	Machines func() []simulator.Status
	// Every is how often it is looked which machines there are; zero is once a second.
	Every time.Duration

	served map[string]*served // by machine
}

// served is one management controller on the network.
type served struct {
	address string
	server  *http.Server
	ended   chan struct{}
	failed  error // why it is not served, told once
}

// Run serves until the context ends: each machine at the address that its status names, from when it is made until it is
// deleted. What cannot be served is logged, and tried again.
func (r *Rack) Run(ctx context.Context) error {
	if r.Every <= 0 {
		r.Every = time.Second
	}
	r.served = map[string]*served{}
	r.sweep()
	defer func() {
		for name := range r.served {
			r.remove(name)
		}
	}()
	ticker := time.NewTicker(r.Every)
	defer ticker.Stop()
	for {
		r.follow(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// follow serves what has come, and no more what has gone.
func (r *Rack) follow(ctx context.Context) {
	addresses := map[string]string{}
	for _, machine := range r.Machines() {
		addresses[machine.Server.Name] = machine.BMC
	}
	for name, one := range r.served {
		address, there := addresses[name]
		if address != one.address {
			r.remove(name)
		}
		if !there {
			r.forget(name)
		}
	}
	for name, address := range addresses {
		if one := r.served[name]; address != "" && (one == nil || one.failed != nil) {
			r.add(ctx, name, address)
		}
	}
}

// sweep forgets the media of machines that were deleted while nobody served them.
func (r *Rack) sweep() {
	there := map[string]bool{}
	for _, machine := range r.Machines() {
		there[machine.Server.Name] = true
	}
	entries, err := os.ReadDir(r.Media.Folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.log("the media folder cannot be read", "", err)
	}
	for _, entry := range entries {
		if !there[entry.Name()] {
			r.forget(entry.Name())
		}
	}
}

func (r *Rack) add(ctx context.Context, name, address string) {
	before := r.served[name]
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		if before == nil { // told once, tried again
			r.log("a management controller cannot listen; it is tried again", name, err)
		}
		r.served[name] = &served{address: address, failed: err}
		return
	}
	if r.TLS != nil {
		listener = tls.NewListener(listener, r.TLS)
	}
	controller := New(r.Config, name)
	controller.tidy()
	one := &served{address: address, ended: make(chan struct{}), server: &http.Server{
		Handler:           controller,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}}
	r.served[name] = one
	go func() {
		defer close(one.ended)
		if err := one.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			r.log("a management controller has ended", name, err)
		}
	}()
}

// remove ends a management controller. What is under way in it is broken off: a medium that is being fetched may take
// minutes, and the client will ask again.
func (r *Rack) remove(name string) {
	one := r.served[name]
	delete(r.served, name)
	if one.server == nil {
		return
	}
	if err := one.server.Close(); err != nil {
		r.log("a management controller does not end well", name, err)
	}
	<-one.ended
}

// forget removes the media of a machine that is no more.
func (r *Rack) forget(name string) {
	if simulator.ValidName(name) != nil {
		return // it never had any
	}
	if err := os.RemoveAll(filepath.Join(r.Media.Folder, name)); err != nil {
		r.log("the media of a machine that is no more cannot be removed", name, err)
	}
}

func (r *Rack) log(what, name string, err error) {
	if r.Log != nil {
		r.Log.Error(what, "machine", name, "error", err)
	}
}
