package network

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// tapName gives the name of a machine's tap: within the 15 bytes that the kernel allows, the same each time, and another
// one for each simulator of a host.
func tapName(bridge, machine string) string {
	sum := sha256.Sum256([]byte(bridge + "/" + machine))
	return "sg-" + hex.EncodeToString(sum[:6])
}

// intend gives the record of a network that is as the config says: what was recorded before, or a new one with the MAC
// that was drawn for it. It is refused where something of the host's is in the way.
func intend(c Config, before *record, now present, mac string) (record, error) {
	if err := unlike(c, before); err != nil {
		return record{}, err
	}
	if who := now.collision(c); who != "" {
		return record{}, fmt.Errorf("subnet %s is in use: %s: give another subnet", c.Subnet, who)
	}
	if before == nil {
		return begin(c, now, mac)
	}
	r := *before
	if l, there := now.links[r.Bridge]; there && !r.owns(l) {
		return record{}, foreignBridge(r.Bridge, l)
	}
	for _, name := range r.names() {
		tap := r.Ports[name].Tap
		if l, there := now.links[tap]; there && l.kind != kindTap {
			return record{}, fmt.Errorf("interface %s is in the way of the tap of server %s: it is a %s, and not the simulator's: rename it", tap, name, l.kind)
		}
	}
	if r.Where != now.where {
		r.Where, r.Settings = now.where, nil
	}
	r.Settings = forwardingBefore(r.Settings, now)
	return r, nil
}

// unlike refuses a config that is not the recorded one: machines have addresses of the old.
func unlike(c Config, before *record) error {
	if before == nil || before.Config == c {
		return nil
	}
	return fmt.Errorf("the network is bridge %s, subnet %s, gateway %s, table %s, and is to be bridge %s, subnet %s, gateway %s, table %s: "+
		"take the old one down first (simulator down), or keep its values", before.Bridge, before.Subnet, before.Gateway, before.Table,
		c.Bridge, c.Subnet, c.Gateway, c.Table)
}

// begin is the record of a network that was not there.
func begin(c Config, now present, mac string) (record, error) {
	if l, there := now.links[c.Bridge]; there {
		return record{}, foreignBridge(c.Bridge, l)
	}
	for _, table := range tablesOf(c.Table) {
		if now.tables[table] {
			return record{}, fmt.Errorf("nftables table %s is there, and no record says that it is this simulator's: "+
				"delete it (nft delete table %s), or give another name", table, table)
		}
	}
	return record{Config: c, MAC: mac, Where: now.where, Settings: forwardingBefore(nil, now)}, nil
}

func foreignBridge(name string, l link) error {
	return fmt.Errorf("interface %s is there, a %s with MAC %s, and no record says that it is this simulator's: "+
		"delete it (ip link delete %s), or give another bridge's name", name, l.kind, l.mac, name)
}

// owns tells whether a link of the bridge's name is the bridge that was made.
func (r record) owns(l link) bool { return l.kind == kindBridge && l.mac == r.MAC }

func tablesOf(name string) []string { return []string{"inet " + name, "bridge " + name} }

// forwardingBefore gives the settings as they were before forwarding was turned on; nil where it is on already. To turn
// it on and off again the kernel sets the same for each interface, and redirects with it, so those are kept too.
func forwardingBefore(kept map[string]string, now present) map[string]string {
	if kept != nil || now.settings[ipForward] != "0" {
		return kept
	}
	before := map[string]string{}
	for name, value := range now.settings {
		if name == ipForward || name == acceptRedirects || isForwarding(name) {
			before[name] = value
		}
	}
	return before
}

// up gives the steps that make the host as the record says; none where it is so. loaded is the generation of the rules
// in which ours are as they are to be; zero for none. The rules come first, so that no machine ever speaks without them,
// and forwarding after them.
func (r record) up(now present, loaded uint32) []Step {
	var steps []Step
	if loaded == 0 || loaded != now.generation {
		steps = append(steps, Step{deed: loadTables, name: r.Table})
	}
	bridge, there := now.links[r.Bridge]
	if !there {
		steps = append(steps, Step{makeBridge, r.Bridge, r.MAC})
	}
	steps = append(steps, quiet(r.Bridge, now)...)
	if own := (address{r.Bridge, netip.PrefixFrom(r.Gateway, r.Subnet.Bits())}); !slices.Contains(now.addresses, own) {
		steps = append(steps, Step{giveIPv4, r.Bridge, own.prefix.String()})
	}
	if !bridge.up {
		steps = append(steps, Step{deed: raise, name: r.Bridge})
	}
	if now.settings[ipForward] == "0" {
		steps = append(steps, Step{set, ipForward, "1"})
	}
	for _, name := range r.names() {
		steps = append(steps, r.plug(r.Ports[name], now)...)
	}
	return steps
}

// plug gives the steps that make a port as the record says.
func (r record) plug(port Port, now present) []Step {
	var steps []Step
	tap, there := now.links[port.Tap]
	if !there {
		steps = append(steps, Step{deed: makeTap, name: port.Tap})
	}
	steps = append(steps, quiet(port.Tap, now)...)
	if tap.master != r.Bridge {
		steps = append(steps, Step{enslave, port.Tap, r.Bridge})
	}
	if tap.master != r.Bridge || !slices.Contains(tap.pinned, port.MAC) {
		steps = append(steps, Step{pin, port.Tap, port.MAC})
	}
	switch {
	case port.Cut && tap.up:
		steps = append(steps, Step{deed: lower, name: port.Tap})
	case !port.Cut && !tap.up:
		steps = append(steps, Step{deed: raise, name: port.Tap})
	}
	return steps
}

// quiet keeps the host's IPv6 off a link of ours: nobody asked for it there, and the host's services answer on it.
func quiet(name string, now present) []Step {
	if _, ipv6 := now.settings[disableIPv6All]; !ipv6 || now.settings[disableIPv6Of(name)] == "1" {
		return nil
	}
	return []Step{{set, disableIPv6Of(name), "1"}}
}

// down gives the steps that undo what the record says, as far as it is there. The rules go last of what machines could
// speak through.
func (r record) down(now present, file string) []Step {
	var steps []Step
	for _, name := range r.names() {
		steps = append(steps, r.unplug(r.Ports[name], now)...)
	}
	if l, there := now.links[r.Bridge]; there && r.owns(l) {
		steps = append(steps, Step{deed: remove, name: r.Bridge})
	}
	if slices.ContainsFunc(tablesOf(r.Table), func(table string) bool { return now.tables[table] }) {
		steps = append(steps, Step{deed: dropTables, name: r.Table})
	}
	return append(append(steps, r.restore(now)...), Step{deed: forget, name: file})
}

// unplug gives the steps that take a port away.
func (r record) unplug(port Port, now present) []Step {
	if now.links[port.Tap].kind != kindTap {
		return nil
	}
	return []Step{{deed: remove, name: port.Tap}}
}

// restore gives the steps that put the settings back. Forwarding comes first, for it changes the others.
func (r record) restore(now present) []Step {
	if r.Where != now.where || r.Settings == nil {
		return nil
	}
	var steps []Step
	after := maps.Clone(now.settings)
	if was, known := r.Settings[ipForward]; known && now.settings[ipForward] != was {
		steps = append(steps, Step{set, ipForward, was})
		for name := range after {
			if isForwarding(name) {
				after[name] = was
			}
		}
		after[acceptRedirects] = "1"
	}
	for _, name := range slices.Sorted(maps.Keys(r.Settings)) {
		if is, there := after[name]; name != ipForward && there && is != r.Settings[name] {
			steps = append(steps, Step{set, name, r.Settings[name]})
		}
	}
	return steps
}
