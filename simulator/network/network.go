package network

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net"
	"reflect"
	"slices"
	"sync"
	"time"

	"stargate.io/stargate/simulator"
)

// Network is the bridge and what is plugged into it. Its methods are safe for concurrent use; two processes are kept
// apart by the state folder's lock.
type Network struct {
	config Config
	file   string

	mu     sync.Mutex
	record *record // nil: nothing was done
	loaded uint32  // the generation of the rules in which ours are as recorded; zero for none
	// before is asked before each step; an error of its leaves the host as a crash there would. Tests set it.
	before func(Step) error
}

// Open reads what was done before. It does nothing to the host.
// file is network.json, in a state folder that the caller owns.
func Open(file string, config Config) (*Network, error) {
	config, err := config.Complete()
	if err != nil {
		return nil, err
	}
	before, err := load(file)
	if err != nil {
		return nil, err
	}
	return &Network{config: config, file: file, record: before}, nil
}

// Ensure makes the host as it is to be, and repairs what somebody changed or removed. It changes nothing where nothing is
// to be done, and refuses what would collide with something of the host's.
func (n *Network) Ensure() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ensure()
}

func (n *Network) ensure() error {
	now, err := survey()
	if err != nil {
		return err
	}
	mac, err := drawMAC()
	if err != nil {
		return err
	}
	wanted, err := intend(n.config, n.record, now, mac)
	if err != nil {
		return err
	}
	if err := n.save(wanted); err != nil {
		return err
	}
	return n.carry(wanted, wanted.up(now, n.loaded), nil)
}

// Guard does what Ensure does again and again, until ctx ends, so that what somebody changed is mended while machines
// run. report gets what could not be mended.
func (n *Network) Guard(ctx context.Context, every time.Duration, report func(error)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := n.Ensure(); err != nil {
			report(err)
		}
	}
}

// drawMAC gives a MAC that nobody has: of the locally administered, at random.
func drawMAC() (string, error) {
	mac := make(net.HardwareAddr, 6)
	if _, err := rand.Read(mac); err != nil {
		return "", fmt.Errorf("drawing a MAC: %w", err)
	}
	mac[0] = 0x02
	return mac.String(), nil
}

// save writes a record down before what it says is done.
func (n *Network) save(r record) error {
	if n.record != nil && reflect.DeepEqual(*n.record, r) {
		return nil
	}
	if err := format.Write(n.file, r); err != nil {
		return err
	}
	n.record, n.loaded = &r, 0
	return nil
}

// carry does steps in their order, up to the first that fails.
func (n *Network) carry(r record, steps []Step, report func(Step)) error {
	for _, step := range steps {
		if n.before != nil {
			if err := n.before(step); err != nil {
				return err
			}
		}
		if report != nil {
			report(step)
		}
		if err := n.step(r, step); err != nil {
			return err
		}
	}
	return nil
}

// step does one, and keeps in mind which generation of the rules is ours: the next after the one before it, unless
// somebody changed rules in the same moment, which is then not known to have left ours alone.
func (n *Network) step(r record, step Step) error {
	if step.deed != loadTables {
		return carry(r, step)
	}
	before, err := rulesGeneration()
	if err != nil {
		return err
	}
	if err := carry(r, step); err != nil {
		return err
	}
	after, err := rulesGeneration()
	if err != nil {
		return err
	}
	if n.loaded = 0; after == before+1 {
		n.loaded = after
	}
	return nil
}

// Check refuses a Server whose name, MAC or IPv4 cannot be plugged in here.
// Errors: *simulator.Refused.
func (n *Network) Check(server simulator.Server) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := record{Config: n.config}
	if n.record != nil {
		r = *n.record
	}
	_, err := r.admit(server)
	return err
}

// Tap plugs a Server in, with its cable whole, and gives the name of its tap. The network is made first where it is not
// there; a Server that is plugged in is brought to its addresses, and its machine is to be off when those change.
// Errors: *simulator.Refused for a name, MAC or IPv4 that cannot be; what Ensure refuses.
func (n *Network) Tap(ctx context.Context, server simulator.Server) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("plugging server %s in: %w", server.Name, err)
	}
	if n.record == nil {
		if err := n.ensure(); err != nil {
			return "", err
		}
	}
	port, err := n.record.admit(server)
	if err != nil {
		return "", err
	}
	if _, ours := n.record.Ports[server.Name]; !ours {
		if err := free(port.Tap, server.Name); err != nil {
			return "", err
		}
	}
	if err := n.save(n.record.with(server.Name, port)); err != nil {
		return "", err
	}
	return port.Tap, n.ensure()
}

// free refuses a tap that is there before it is recorded: it would be taken for ours, and taken away.
func free(tap, machine string) error {
	now, err := survey()
	if err != nil {
		return err
	}
	if l, there := now.links[tap]; there {
		return fmt.Errorf("interface %s, which is to be the tap of server %s, is there, a %s, and no record says that it is this simulator's: "+
			"delete it (ip link delete %s)", tap, machine, l.kind, tap)
	}
	return nil
}

// Remove takes a machine's port away. To remove none is done.
func (n *Network) Remove(ctx context.Context, name string) error {
	return n.unplug(ctx, func(plugged string) bool { return plugged == name })
}

// Keep takes away the ports of all machines that are not named.
func (n *Network) Keep(ctx context.Context, names []string) error {
	return n.unplug(ctx, func(plugged string) bool { return !slices.Contains(names, plugged) })
}

func (n *Network) unplug(ctx context.Context, which func(name string) bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.record == nil || !slices.ContainsFunc(n.record.names(), which) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("unplugging machines: %w", err)
	}
	now, err := survey()
	if err != nil {
		return err
	}
	left := *n.record
	var steps []Step
	for _, name := range n.record.names() {
		if which(name) {
			steps = append(steps, n.record.unplug(n.record.Ports[name], now)...)
			left = left.without(name)
		}
	}
	if err := n.carry(left, append(steps, Step{deed: loadTables, name: left.Table}), nil); err != nil {
		return err
	}
	loaded := n.loaded
	if err := n.save(left); err != nil {
		return err
	}
	n.loaded = loaded // these are the rules of what is saved
	return nil
}

// Cut pulls a machine's cable, as a fault, until Mend or the next Tap. It stays pulled over restarts of the simulator.
func (n *Network) Cut(ctx context.Context, name string) error { return n.cable(ctx, name, true) }

// Mend puts the cable back.
func (n *Network) Mend(ctx context.Context, name string) error { return n.cable(ctx, name, false) }

func (n *Network) cable(ctx context.Context, name string, cut bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var port Port
	plugged := false
	if n.record != nil {
		port, plugged = n.record.Ports[name]
	}
	if !plugged {
		return simulator.Refuse(simulator.ReasonBadRequest, "server %.80q is not plugged in: it was never started, or was deleted", name)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("changing the cable of server %s: %w", name, err)
	}
	port.Cut = cut
	if err := n.save(n.record.with(name, port)); err != nil {
		return err
	}
	return n.ensure()
}

// Ports gives what is plugged in, by the names of the machines.
func (n *Network) Ports() map[string]Port {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.record == nil {
		return nil
	}
	return maps.Clone(n.record.Ports)
}

// Gateway is the bridge's address with the subnet's length, for the machines' network configuration.
func (n *Network) Gateway() (address string, bits int) {
	return n.config.Gateway.String(), n.config.Subnet.Bits()
}

// PlanDown gives the steps that undo what was done to the host; none where nothing was.
func PlanDown(file string) ([]Step, error) {
	r, err := load(file)
	if err != nil || r == nil {
		return nil, err
	}
	now, err := survey()
	if err != nil {
		return nil, err
	}
	return r.down(now, file), nil
}

// Down undoes what was done to the host: exactly what the record names, so that it can be done again after a crash in
// it. The machines are to have ended; one that runs loses its network. report may be nil.
func Down(file string, report func(Step)) error {
	r, err := load(file)
	if err != nil || r == nil {
		return err
	}
	n := &Network{file: file, record: r}
	return n.down(report)
}

func (n *Network) down(report func(Step)) error {
	now, err := survey()
	if err != nil {
		return err
	}
	return n.carry(*n.record, n.record.down(now, n.file), report)
}
