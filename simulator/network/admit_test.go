package network

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"stargate.io/stargate/simulator"
)

func TestConfigIsCompleteOrRefused(t *testing.T) {
	c, err := Config{}.Complete()
	if err != nil || c.Bridge != "stargate-br0" || c.Subnet.String() != "192.168.100.0/24" || c.Gateway.String() != "192.168.100.1" || c.Table != "stargate" {
		t.Errorf("the default is %+v, %v", c, err)
	}
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	for says, c := range map[string]Config{
		"begin with a letter":                {Bridge: "../../etc"},
		"1 to 15":                            {Bridge: "a234567890123456"},
		"nftables table":                     {Table: "a; flush ruleset"},
		"did you mean 10.0.0.0/24?":          {Subnet: prefix("10.0.0.7/24")},
		"16 to 29":                           {Subnet: prefix("10.0.0.0/8")},
		"its length is to be 16 to 29":       {Subnet: prefix("10.0.0.0/30")},
		"of IPv4":                            {Subnet: prefix("fd00::/64")},
		"addresses of 127.0.0.0/8":           {Subnet: prefix("127.1.0.0/16")},
		"addresses of 224.0.0.0/3":           {Subnet: prefix("239.1.0.0/16")},
		"not in subnet 192.168.100.0/24":     {Gateway: addr("192.168.101.1")},
		"is the name of subnet":              {Gateway: addr("192.168.100.0")},
		"is the broadcast address of subnet": {Gateway: addr("192.168.100.255")},
	} {
		if _, err := c.Complete(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: got %v, want an error that says %q", c, err, says)
		}
	}
}

func recorded(t *testing.T) record {
	t.Helper()
	c, err := Config{}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	return record{Config: c, MAC: "02:00:00:00:00:01"}
}

func TestAdmitRefuses(t *testing.T) {
	r := recorded(t)
	port, err := r.admit(bob)
	if err != nil {
		t.Fatal(err)
	}
	r = r.with(bob.Name, port)
	server := func(change func(*simulator.Server)) simulator.Server { s := ann; change(&s); return s }
	for says, s := range map[string]simulator.Server{
		"lower-case letters":     server(func(s *simulator.Server) { s.Name = "../../etc" }),
		"at most 63":             server(func(s *simulator.Server) { s.Name = strings.Repeat("a", 300) }),
		"six bytes with colons":  server(func(s *simulator.Server) { s.MAC = "52:54" }),
		"52:54:00:12:34:56":      server(func(s *simulator.Server) { s.MAC = "02:00:00:00:00:00:00:01" }),
		"no single machine's":    server(func(s *simulator.Server) { s.MAC = "01:00:5e:00:00:01" }),
		"not all are to be zero": server(func(s *simulator.Server) { s.MAC = "00:00:00:00:00:00" }),
		"that of bridge":         server(func(s *simulator.Server) { s.MAC = "02-00-00-00-00-01" }),
		`MAC 52:54:00:00:00:0b: it is that of server "bob"`:     server(func(s *simulator.Server) { s.MAC = strings.ToUpper(bob.MAC) }),
		"an address of 192.168.100.0/24, such as 192.168.100.2": server(func(s *simulator.Server) { s.IPv4 = "" }),
		`IPv4 "::ffff:192.168.100.9"`:                           server(func(s *simulator.Server) { s.IPv4 = "::ffff:192.168.100.9" }),
		`IPv4 "192.168.100.9/24"`:                               server(func(s *simulator.Server) { s.IPv4 = "192.168.100.9/24" }),
		"is not in subnet":                                      server(func(s *simulator.Server) { s.IPv4 = "192.168.101.9" }),
		"is the name of subnet":                                 server(func(s *simulator.Server) { s.IPv4 = "192.168.100.0" }),
		"is the broadcast address":                              server(func(s *simulator.Server) { s.IPv4 = "192.168.100.255" }),
		"is the gateway's":                                      server(func(s *simulator.Server) { s.IPv4 = "192.168.100.1" }),
		`IPv4 192.168.100.11 is that of server "bob"`:           server(func(s *simulator.Server) { s.IPv4 = bob.IPv4 }),
	} {
		_, err := r.admit(s)
		var refused *simulator.Refused
		if !errors.As(err, &refused) || refused.Reason != simulator.ReasonBadRequest || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: got %v, want a refusal that says %q", s, err, says)
		}
	}
	if again, err := r.admit(bob); err != nil || again != port {
		t.Errorf("a server that has a port gets %+v, %v", again, err)
	}
	if upper, err := r.admit(server(func(s *simulator.Server) { s.MAC = strings.ToUpper(ann.MAC) })); err != nil || upper.MAC != ann.MAC {
		t.Errorf("a MAC in capitals becomes %q, %v", upper.MAC, err)
	}
}

func TestTapNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z0-9]{1,63}`).Draw(t, "name")
		bridge := rapid.SampledFrom([]string{"stargate-br0", "a", "a23456789012345"}).Draw(t, "bridge")
		tap := tapName(bridge, name)
		if len(tap) > 15 || !validBridge.MatchString(tap) || tap != tapName(bridge, name) || tap == tapName(bridge+"x", name) || tap == tapName(bridge, name+"x") {
			t.Fatalf("%s on %s has tap %s", name, bridge, tap)
		}
	})
}

// TestPlansAgree: whatever is there, once the steps are done there are none left; and what down leaves is what was there without ours.
func TestPlansAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := recorded(t)
		for _, server := range []simulator.Server{ann, bob} {
			if rapid.Bool().Draw(rt, server.Name) {
				port, err := r.admit(server)
				if err != nil {
					rt.Fatal(err)
				}
				port.Cut = rapid.Bool().Draw(rt, "cut")
				r = r.with(server.Name, port)
			}
		}
		now := drawPresent(rt, r)
		r, err := intend(r.Config, &r, now, "")
		if err != nil {
			rt.Fatal(err)
		}
		once := pretend(now, r.up(now, 0), r)
		if again := r.up(once, once.generation); len(again) != 0 {
			rt.Fatalf("after it was done: %v", again)
		}
		if other := r.up(once, once.generation+1); len(other) != 1 || other[0].deed != loadTables {
			rt.Fatalf("after somebody changed rules: %v", other)
		}
		undone := pretend(once, r.down(once, "file"), r)
		for name, l := range undone.links {
			if name != "eth0" {
				rt.Errorf("down leaves %s %+v", name, l)
			}
		}
		if undone.tables["inet stargate"] || undone.settings[ipForward] != now.settings[ipForward] {
			rt.Errorf("down leaves tables %v, forwarding %s", undone.tables, undone.settings[ipForward])
		}
	})
}

// drawPresent gives a host on which some of a record is done.
func drawPresent(rt *rapid.T, r record) present {
	now := present{
		links: map[string]link{"eth0": {kind: "device", up: true}}, tables: map[string]bool{},
		settings: map[string]string{ipForward: rapid.SampledFrom([]string{"0", "1"}).Draw(rt, "forwarding"), disableIPv6All: "0"},
	}
	maybe := func(what string) bool { return rapid.Bool().Draw(rt, what) }
	if maybe("bridge") {
		now.links[r.Bridge] = link{kind: kindBridge, mac: r.MAC, up: maybe("bridge up")}
		now.settings[disableIPv6Of(r.Bridge)] = "0"
	}
	for _, name := range r.names() {
		if maybe("tap") {
			master := ""
			if _, there := now.links[r.Bridge]; there && maybe("plugged in") {
				master = r.Bridge
			}
			l := link{kind: kindTap, master: master, up: maybe("tap up")}
			if maybe("pinned") {
				l.pinned = []string{r.Ports[name].MAC}
			}
			now.links[r.Ports[name].Tap] = l
		}
	}
	now.tables["inet stargate"] = maybe("tables")
	return now
}

// pretend does steps to a picture of a host: a second writing of what package carry does to a real one.
func pretend(now present, steps []Step, r record) present {
	for _, s := range steps {
		l := now.links[s.name]
		switch s.deed {
		case loadTables, dropTables:
			now.generation++
			now.tables = map[string]bool{"inet " + s.name: s.deed == loadTables, "bridge " + s.name: s.deed == loadTables}
		case makeBridge:
			l = link{kind: kindBridge, mac: s.value}
		case makeTap:
			l = link{kind: kindTap}
		case enslave:
			l.master = s.value
		case pin:
			l.pinned = append(l.pinned, s.value)
		case raise, lower:
			l.up = s.deed == raise
		case giveIPv4:
			now.addresses = append(now.addresses, address{s.name, netip.MustParsePrefix(s.value)})
		case set:
			now.settings[s.name] = s.value
		case remove, forget: // below, or nothing that shows
		}
		switch s.deed {
		case makeBridge, makeTap, enslave, pin, raise, lower:
			now.links[s.name] = l
		case remove:
			delete(now.links, s.name)
		default:
		}
	}
	return now
}
