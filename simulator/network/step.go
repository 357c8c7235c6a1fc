package network

import "fmt"

// deed is what a step does.
type deed string

// The deeds, of which each can be done again.
const (
	loadTables deed = "load tables"
	dropTables deed = "drop tables"
	makeBridge deed = "make bridge"
	makeTap    deed = "make tap"
	remove     deed = "remove"
	enslave    deed = "plug in"
	pin        deed = "pin"
	giveIPv4   deed = "give address"
	raise      deed = "raise"
	lower      deed = "lower"
	set        deed = "set"
	forget     deed = "forget"
)

// Step is one thing that is done to the host. Its String says it in the words of ip, nft and sysctl.
type Step struct {
	deed  deed
	name  string // of the link, the table or the setting
	value string
}

func (s Step) String() string {
	switch s.deed {
	case loadTables:
		return fmt.Sprintf("nft: load tables inet %s and bridge %s", s.name, s.name)
	case dropTables:
		return fmt.Sprintf("nft: delete tables inet %s and bridge %s", s.name, s.name)
	case makeBridge:
		return fmt.Sprintf("ip link add %s address %s type bridge", s.name, s.value)
	case makeTap:
		return fmt.Sprintf("ip tuntap add %s mode tap", s.name)
	case remove:
		return fmt.Sprintf("ip link delete %s", s.name)
	case enslave:
		return fmt.Sprintf("ip link set %s master %s", s.name, s.value)
	case pin:
		return fmt.Sprintf("bridge fdb replace %s dev %s master static, learning off, flood off", s.value, s.name)
	case giveIPv4:
		return fmt.Sprintf("ip address add %s dev %s", s.value, s.name)
	case raise:
		return fmt.Sprintf("ip link set %s up", s.name)
	case lower:
		return fmt.Sprintf("ip link set %s down", s.name)
	case set:
		return fmt.Sprintf("sysctl %s = %s", s.name, s.value)
	case forget:
		return fmt.Sprintf("remove %s", s.name)
	}
	return string(s.deed)
}
