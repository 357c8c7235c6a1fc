package network

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// The rules, as nft would print them; each set has an element for each machine.
//
//	table inet stargate {
//	    chain forward { type filter hook forward priority filter; policy accept;
//	        iifname BRIDGE oifname BRIDGE accept
//	        iifname BRIDGE ip saddr SUBNET accept
//	        iifname BRIDGE drop
//	        oifname BRIDGE ct state established,related accept
//	        oifname BRIDGE drop                                    # the outside has no way in
//	    }
//	    chain postrouting { type nat hook postrouting priority srcnat;
//	        ip saddr SUBNET oifname != BRIDGE masquerade
//	    }
//	}
//	table bridge stargate {
//	    set taps      { type ifname }
//	    set senders   { type ifname . ether_addr }
//	    set addresses { type ifname . ether_addr . ipv4_addr }
//	    chain prerouting { type filter hook prerouting priority dstnat; policy accept;
//	        iifname != @taps accept                                # not ours
//	        iifname . ether saddr != @senders drop
//	        ether type ip ip daddr 127.0.0.0/8 drop                # even where route_localnet is on
//	        ether type ip iifname . ether saddr . ip saddr @addresses accept
//	        ether type arp arp htype 1 arp ptype ip iifname . arp saddr ether . arp saddr ip @addresses accept
//	        ether type arp arp htype 1 arp ptype ip iifname . arp saddr ether @senders arp saddr ip 0.0.0.0 accept
//	        iifname @taps drop                                     # IPv6, VLANs and the rest
//	    }
//	}
//
// The kernel's nft_meta_bridge, which knows a frame's bridge, is not everywhere, so ports are known by their names.

// loadRules puts the tables there in one transaction, in the place of what was in them: there is no moment without.
func loadRules(r record) error {
	conn := &nftables.Conn{}
	inet := renew(conn, nftables.TableFamilyINet, r.Table)
	forward := conn.AddChain(&nftables.Chain{
		Name: "forward", Table: inet, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookForward, Priority: nftables.ChainPriorityFilter,
	})
	postrouting := conn.AddChain(&nftables.Chain{
		Name: "postrouting", Table: inet, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
	})
	for _, rule := range r.forwardRules() {
		conn.AddRule(&nftables.Rule{Table: inet, Chain: forward, Exprs: rule})
	}
	conn.AddRule(&nftables.Rule{Table: inet, Chain: postrouting, Exprs: r.masquerade()})

	bridge := renew(conn, nftables.TableFamilyBridge, r.Table)
	// -300 is what nft calls dstnat in a bridge: before other filters.
	prerouting := conn.AddChain(&nftables.Chain{
		Name: "prerouting", Table: bridge, Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookPrerouting, Priority: nftables.ChainPriorityRef(-300),
	})
	sets, err := r.addSets(conn, bridge)
	if err != nil {
		return err
	}
	for _, rule := range sets.rules() {
		conn.AddRule(&nftables.Rule{Table: bridge, Chain: prerouting, Exprs: rule})
	}
	return flush(conn)
}

// dropRules takes the tables away. Those that have gone are dropped.
func dropRules(name string) error {
	conn := &nftables.Conn{}
	for _, family := range []nftables.TableFamily{nftables.TableFamilyINet, nftables.TableFamilyBridge} {
		conn.DelTable(conn.AddTable(&nftables.Table{Family: family, Name: name}))
	}
	return flush(conn)
}

// renew gives an empty table in the place of the one that is there, or not.
func renew(conn *nftables.Conn, family nftables.TableFamily, name string) *nftables.Table {
	table := &nftables.Table{Family: family, Name: name}
	conn.DelTable(conn.AddTable(table))
	return conn.AddTable(table)
}

// rulesGeneration gives the number of the present rules of the namespace, everybody's: each change counts it up.
func rulesGeneration() (uint32, error) {
	request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_GETGEN, 0)
	request.AddData(&nl.Nfgenmsg{NfgenFamily: unix.AF_UNSPEC, Version: nl.NFNETLINK_V0})
	replies, err := request.Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil {
		return 0, fmt.Errorf("asking for the generation of nftables rules: %w", err)
	}
	for _, reply := range replies {
		attrs, err := nl.ParseRouteAttr(reply[nl.SizeofNfgenmsg:])
		if err != nil {
			return 0, fmt.Errorf("reading the generation of nftables rules: %w", err)
		}
		for _, attr := range attrs {
			if attr.Attr.Type == unix.NFTA_GEN_ID && len(attr.Value) == 4 {
				return binary.BigEndian.Uint32(attr.Value), nil
			}
		}
	}
	return 0, errors.New("reading the generation of nftables rules: the kernel tells none")
}

func flush(conn *nftables.Conn) error {
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("the kernel refuses the rules (it needs nf_tables with the families inet and bridge, and nft_masq): %w", err)
	}
	return nil
}

func (r record) forwardRules() [][]expr.Any {
	in, out := ifname(expr.MetaKeyIIFNAME, expr.CmpOpEq, r.Bridge), ifname(expr.MetaKeyOIFNAME, expr.CmpOpEq, r.Bridge)
	return [][]expr.Any{
		rule(in, out, accept),
		rule(in, fromSubnet(r.Subnet), accept),
		rule(in, drop),
		rule(out, established(), accept),
		rule(out, drop),
	}
}

func (r record) masquerade() []expr.Any {
	return rule(fromSubnet(r.Subnet), ifname(expr.MetaKeyOIFNAME, expr.CmpOpNeq, r.Bridge), []expr.Any{&expr.Masq{}})
}

// sets of what may enter by the taps.
type sets struct{ taps, senders, addresses *nftables.Set }

func (r record) addSets(conn *nftables.Conn, table *nftables.Table) (sets, error) {
	s := sets{
		taps: &nftables.Set{Table: table, Name: "taps", KeyType: nftables.TypeIFName},
		senders: &nftables.Set{
			Table: table, Name: "senders", Concatenation: true,
			KeyType: nftables.MustConcatSetType(nftables.TypeIFName, nftables.TypeEtherAddr),
		},
		addresses: &nftables.Set{
			Table: table, Name: "addresses", Concatenation: true,
			KeyType: nftables.MustConcatSetType(nftables.TypeIFName, nftables.TypeEtherAddr, nftables.TypeIPAddr),
		},
	}
	var taps, senders, addresses []nftables.SetElement
	for _, name := range r.names() {
		port := r.Ports[name]
		mac, err := net.ParseMAC(port.MAC)
		if err != nil {
			return sets{}, err
		}
		tap := padded(port.Tap)
		sender := append(append(bytes.Clone(tap), mac...), 0, 0) // to a multiple of four bytes
		taps = append(taps, nftables.SetElement{Key: tap})
		senders = append(senders, nftables.SetElement{Key: sender})
		addresses = append(addresses, nftables.SetElement{Key: append(bytes.Clone(sender), port.IPv4.AsSlice()...)})
	}
	for set, elements := range map[*nftables.Set][]nftables.SetElement{s.taps: taps, s.senders: senders, s.addresses: addresses} {
		if err := conn.AddSet(set, elements); err != nil {
			return sets{}, err
		}
	}
	return s, nil
}

// The registers in which a set's key is put together: a name is 16 bytes, which is all of register 1 and the first four
// of the four-byte ones; a MAC takes two of those.
const (
	inName    = 1
	inMAC     = unix.NFT_REG32_00 + 4
	inAddress = unix.NFT_REG32_00 + 6
)

// Offsets in an Ethernet header, an IPv4 header and an ARP packet.
const (
	etherSource, etherType      = 6, 12
	ipSource, ipDestination     = 12, 16
	arpSenderMAC, arpSenderIPv4 = 8, 14
)

func (s sets) rules() [][]expr.Any {
	port := []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: inName}}
	source := field(expr.PayloadBaseLLHeader, etherSource, 6, inMAC)
	ip := equals(expr.PayloadBaseLLHeader, etherType, []byte{0x08, 0x00})
	// ARP for IPv4 on Ethernet, and nothing else: of another kind the addresses would be elsewhere.
	arp := rule(equals(expr.PayloadBaseLLHeader, etherType, []byte{0x08, 0x06}),
		equals(expr.PayloadBaseNetworkHeader, 0, []byte{0, 1, 0x08, 0x00, 6, 4}))
	arpSender := field(expr.PayloadBaseNetworkHeader, arpSenderMAC, 6, inMAC)
	return [][]expr.Any{
		rule(port, isNot(s.taps), accept),
		rule(port, source, isNot(s.senders), drop),
		rule(ip, within(ipDestination, netip.MustParsePrefix("127.0.0.0/8")), drop),
		// What a cloud tells its hosts, and lets them have, is not for guests.
		rule(ip, within(ipDestination, netip.MustParsePrefix("169.254.0.0/16")), drop),
		rule(ip, port, source, field(expr.PayloadBaseNetworkHeader, ipSource, 4, inAddress), is(s.addresses), accept),
		rule(arp, port, arpSender, field(expr.PayloadBaseNetworkHeader, arpSenderIPv4, 4, inAddress), is(s.addresses), accept),
		rule(arp, port, arpSender, is(s.senders), equals(expr.PayloadBaseNetworkHeader, arpSenderIPv4, []byte{0, 0, 0, 0}), accept),
		rule(drop),
	}
}

// The parts of rules.
var (
	accept = []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
	drop   = []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}}
)

func rule(parts ...[]expr.Any) []expr.Any {
	var whole []expr.Any
	for _, part := range parts {
		whole = append(whole, part...)
	}
	return whole
}

func ifname(key expr.MetaKey, op expr.CmpOp, name string) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: padded(name)}}
}

// padded gives an interface's name as the kernel compares it.
func padded(name string) []byte {
	key := make([]byte, unix.IFNAMSIZ)
	copy(key, name)
	return key
}

func field(base expr.PayloadBase, offset, length, register uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: register, Base: base, Offset: offset, Len: length}}
}

func equals(base expr.PayloadBase, offset uint32, data []byte) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: uint32(len(data))}, //nolint:gosec // a few bytes
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data},
	}
}

// within compares an IPv4 address in its header with a prefix.
func within(offset uint32, prefix netip.Prefix) []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: net.CIDRMask(prefix.Bits(), 32), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: prefix.Masked().Addr().AsSlice()},
	}
}

// fromSubnet is "ip saddr SUBNET" in a table that sees IPv6 too.
func fromSubnet(subnet netip.Prefix) []expr.Any {
	return rule([]expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.NFPROTO_IPV4}},
	}, within(ipSource, subnet))
}

func established() []expr.Any {
	states := expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED
	return []expr.Any{
		&expr.Ct{Register: 1, Key: expr.CtKeySTATE},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(states), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}

func is(set *nftables.Set) []expr.Any    { return lookup(set, false) }
func isNot(set *nftables.Set) []expr.Any { return lookup(set, true) }

func lookup(set *nftables.Set, invert bool) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: inName, SetName: set.Name, SetID: set.ID, Invert: invert}}
}
