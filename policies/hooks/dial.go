package hooks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// literal gives the address that a host is written as.
func literal(host string) (netip.Addr, bool) {
	address, err := netip.ParseAddr(host)
	return address, err == nil
}

// dial resolves a name once, and connects to the addresses that this gave and that are allowed, and to no other. The
// kernel is asked with the very address that was judged.
func (c *conversation) dial(ctx context.Context, list allowed, network, target string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	addresses, err := c.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	refused := fmt.Errorf("%s has no address", host)
	for _, address := range addresses {
		if !mayDial(list, address, port) {
			refused = &refusal{ReasonNotAllowed, fmt.Sprintf("http: %s is %s, which is not of the open internet: add that address to spec.allow.hosts of hook %s if it is meant", clipped(host, 255), address, c.call.Name)}
			continue
		}
		conn, err := c.connect(ctx, list, network, net.JoinHostPort(address.Unmap().String(), port))
		if err == nil {
			return conn, nil
		}
		refused = err
	}
	return nil, refused
}

func mayDial(list allowed, address netip.Addr, port string) bool {
	return public(address) || list.addresses(address, port)
}

func (c *conversation) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if address, ok := literal(host); ok {
		return []netip.Addr{address}, nil
	}
	if c.pool.options.Resolve != nil {
		return c.pool.options.Resolve(ctx, host)
	}
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

func (c *conversation) connect(ctx context.Context, list allowed, network, target string) (net.Conn, error) {
	if c.pool.options.Connect != nil {
		return c.pool.options.Connect(ctx, network, target)
	}
	dialer := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		if actual, err := netip.ParseAddr(host); err != nil || !mayDial(list, actual, port) {
			return errors.New("the address is not the one that was judged")
		}
		return nil
	}}
	return dialer.DialContext(ctx, network, target)
}
