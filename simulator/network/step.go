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

// said is how each is told; 1 is its name, 2 its value.
var said = map[deed]string{
	loadTables: "nft: load tables inet %[1]s and bridge %[1]s",
	dropTables: "nft: delete tables inet %[1]s and bridge %[1]s",
	makeBridge: "ip link add %[1]s address %[2]s type bridge",
	makeTap:    "ip tuntap add %[1]s mode tap",
	remove:     "ip link delete %[1]s",
	enslave:    "ip link set %[1]s master %[2]s",
	pin:        "bridge fdb replace %[2]s dev %[1]s master static, learning off, flood off",
	giveIPv4:   "ip address add %[2]s dev %[1]s",
	raise:      "ip link set %[1]s up",
	lower:      "ip link set %[1]s down",
	set:        "sysctl %[1]s = %[2]s",
	forget:     "remove %[1]s",
}

// Step is one thing that is done to the host. Its String says it in the words of ip, nft and sysctl.
type Step struct {
	deed  deed
	name  string // of the link, the table, the setting or the file
	value string
}

func (s Step) String() string { return fmt.Sprintf(said[s.deed], s.name, s.value) }
