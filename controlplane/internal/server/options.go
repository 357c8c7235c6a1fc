package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
)

// ErrUsage means that the options make no sense together.
var ErrUsage = errors.New("wrong usage")

// Options are the flags of the command, as given.
type Options struct {
	Data         string
	Kubeconfig   string
	Bind         string
	Port         int
	Advertise    string
	Join         string
	ServiceRange string
	ReadyFile    string
	AuditLog     string
	LogFile      string
	Verbosity    int

	EtcdQuotaBytes      int64
	UnsafeNoFsync       bool
	MaxInFlight         int
	MaxMutatingInFlight int

	Stdout io.Writer // for the one line that says it is ready
}

// address is what Options say about the network, parsed.
type address struct {
	bind      net.IP
	advertise net.IP // where other machines find us
	local     net.IP // where this machine finds us
	join      net.IP // listened on beside bind; nil for none
	services  net.IPNet
	service   net.IP // of the Service kubernetes.default: the first of the range
}

func (o *Options) complete() (address, error) {
	if o.Data == "" {
		return address{}, fmt.Errorf("%w: --data is needed: a folder that keeps all state", ErrUsage)
	}
	if o.Kubeconfig == "" {
		o.Kubeconfig = filepath.Join(o.Data, "kubeconfig")
	}
	if o.LogFile == "" {
		o.LogFile = filepath.Join(o.Data, "controlplane.log")
	}
	if o.Port < 0 || o.Port > 65535 {
		return address{}, fmt.Errorf("%w: --port %d is not a port", ErrUsage, o.Port)
	}
	return o.address()
}

func (o *Options) address() (address, error) {
	a := address{bind: net.ParseIP(o.Bind)}
	if a.bind == nil {
		return address{}, fmt.Errorf("%w: --bind %q is not an IP address", ErrUsage, o.Bind)
	}
	a.local, a.advertise = a.bind, a.bind
	if a.bind.IsUnspecified() {
		if o.Advertise == "" {
			return address{}, fmt.Errorf("%w: --bind %s needs --advertise, the address at which others reach this server", ErrUsage, o.Bind)
		}
		a.local = net.IPv4(127, 0, 0, 1)
		if a.bind.To4() == nil {
			a.local = net.IPv6loopback
		}
	}
	if o.Advertise != "" {
		if a.advertise = net.ParseIP(o.Advertise); a.advertise == nil {
			return address{}, fmt.Errorf("%w: --advertise %q is not an IP address", ErrUsage, o.Advertise)
		}
	}
	if err := o.joinAt(&a); err != nil {
		return address{}, err
	}
	_, services, err := net.ParseCIDR(o.ServiceRange)
	if err != nil {
		return address{}, fmt.Errorf("%w: --service-range %q is not a CIDR", ErrUsage, o.ServiceRange)
	}
	a.services = *services
	a.service = append(net.IP(nil), services.IP...)
	a.service[len(a.service)-1]++
	return a, nil
}

// joinAt has nodes join at an address of its own, beside the one for this machine.
func (o *Options) joinAt(a *address) error {
	if o.Join == "" {
		return nil
	}
	a.join = net.ParseIP(o.Join)
	switch {
	case a.join == nil || a.join.IsUnspecified():
		return fmt.Errorf("%w: --join-address %q is not the IP address of one machine", ErrUsage, o.Join)
	case o.Advertise != "":
		return fmt.Errorf("%w: --join-address is advertised: leave out --advertise", ErrUsage)
	case a.bind.IsUnspecified() || a.bind.Equal(a.join):
		return fmt.Errorf("%w: --bind %s listens on %s as it is: say --advertise in place of --join-address", ErrUsage, o.Bind, o.Join)
	}
	a.advertise = a.join
	return nil
}
