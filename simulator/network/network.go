package network

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"reflect"
	"sync"

	"stargate.io/stargate/simulator"
)

// Network is the bridge and what is plugged into it. Its methods are safe for concurrent use; two processes are kept
// apart by the state folder's lock.
type Network struct {
	config Config
	file   string

	mu     sync.Mutex
	record *record // nil: nothing was done
	// before is asked before each step; an error of its leaves the host as a crash there would. Tests set it.
	before func(Step) error
}

// ErrDown is the error of what needs a network that is up: Ensure makes it.
var ErrDown = errors.New("the machines' network is not up")

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

// Ensure makes the host as it is to be, and repairs what somebody changed or removed. It is cheap when nothing is to be
// done, and refuses what would collide with something of the host's.
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
	return n.carry(wanted, wanted.up(now), nil)
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
	n.record = &r
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
		if err := carry(r, step); err != nil {
			return err
		}
	}
	return nil
}

// Attach plugs a Server in, and gives its port; one that is plugged in is brought to its Server's addresses. Its machine
// is to be off when those change.
// Errors: *simulator.Refused for a name, MAC or IPv4 that cannot be; ErrDown.
func (n *Network) Attach(server simulator.Server) (Port, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.record == nil {
		return Port{}, ErrDown
	}
	port, err := n.record.admit(server)
	if err != nil {
		return Port{}, err
	}
	if _, ours := n.record.Ports[server.Name]; !ours {
		if err := free(port.Tap, server.Name); err != nil {
			return Port{}, err
		}
	}
	if err := n.save(n.record.with(server.Name, port)); err != nil {
		return Port{}, err
	}
	return port, n.ensure()
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

// Detach takes a machine's port away. One that has none is detached.
func (n *Network) Detach(name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.record == nil {
		return nil
	}
	port, plugged := n.record.Ports[name]
	if !plugged {
		return nil
	}
	now, err := survey()
	if err != nil {
		return err
	}
	left := n.record.without(name)
	steps := append(n.record.unplug(port, now), Step{deed: loadTables, name: left.Table})
	if err := n.carry(left, steps, nil); err != nil {
		return err
	}
	return n.save(left)
}

// Cut pulls a machine's cable, as a fault, until Mend. It stays pulled over restarts of the simulator.
func (n *Network) Cut(name string) error { return n.cable(name, true) }

// Mend puts the cable back.
func (n *Network) Mend(name string) error { return n.cable(name, false) }

func (n *Network) cable(name string, cut bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.record == nil {
		return ErrDown
	}
	port, plugged := n.record.Ports[name]
	if !plugged {
		return simulator.Refuse(simulator.ReasonBadRequest, "server %.80q has no network to cut: it was never made, or was deleted", name)
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
		return map[string]Port{}
	}
	ports := maps.Clone(n.record.Ports)
	if ports == nil {
		ports = map[string]Port{}
	}
	return ports
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
