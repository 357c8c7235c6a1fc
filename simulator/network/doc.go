// Package network is what the machines are plugged into: a bridge with a gateway's address, a tap per machine, NAT to the
// outside, and rules that keep each machine to its own addresses.
//
// In: a Config, and the Servers that are to be plugged in. Out: the name of each one's tap; whether it answers; and
// a list of steps that undoes what was done to the host, and that alone.
//
//	Config, Server ──intend──▶ record ──▶ network.json         what may have been done, written before it is done
//	                             │
//	host ──survey──▶ present ──up/down──▶ steps ──carry──▶ host
//
//	outside ── eth0 ══ masquerade, forward (inet table) ══ stargate-br0 192.168.100.1
//	                                                        ├─ tap ══ own MAC, own IPv4 (bridge table) ══ machine
//	                                                        └─ tap ══ …
//
// The decisions (intend, up, down, admit) are pure. It must never touch a link, an address, a table or a setting that the
// record does not name; and what it names is told by more than its name: the bridge by the MAC that was drawn for it.
// Its methods work in the network namespace of the thread that calls them.
package network
