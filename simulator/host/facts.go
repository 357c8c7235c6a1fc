package host

import (
	"stargate.io/stargate/simulator/account"
	"stargate.io/stargate/simulator/network"
)

// Facts about a host.
type Facts struct {
	// Root tells whether this process may do what root may.
	Root bool
	// KVM and Tun are the devices; "" when they can be opened, and otherwise why not.
	KVM, Tun string
	// Closed says why /dev/kvm, which root can open, is not open to whom machines run as; "" when it is.
	Closed string
	// RunAs is who that is, and Unknown why the host does not have them; "" when it does.
	RunAs   account.Range
	Unknown string
	// KVMModules are those of kvm_intel, kvm_amd and kvm_pvm that the kernel has.
	KVMModules []string
	// Virtualization is the processor's flag for it, "vmx" or "svm"; "" for neither.
	Virtualization string
	// Modules that the network needs, by their name: whether the kernel is known to have them, loaded or built in.
	Modules map[string]bool
	// QEMU and QEMUImg are the tools.
	QEMU, QEMUImg Tool
	// Firmware is the path of OVMF, for machines that boot by UEFI; "" where there is none.
	Firmware string
	// State is the state folder, or the nearest above it that is there.
	State Folder
	// Run is where sockets go.
	Run Folder
	// Capacity of the host.
	Capacity Capacity
	// Network as far as it is seen without touching it.
	Network network.View
}

// Capacity is what a host has left.
type Capacity struct {
	Cores int
	// MemoryMiB that programs could have without others being swapped out.
	MemoryMiB int
	// DiskMiB that is free under the state folder.
	DiskMiB int
}

// Tool is a program that is needed.
type Tool struct {
	Path    string
	Version string // the first line of what it says of its version
	Problem string // why it cannot be used; "" when it can
}

// Folder is where something is kept.
type Folder struct {
	Path       string
	FileSystem string
	FreeMiB    int
	FreeFiles  int // inodes; -1 where the file system does not count them
	Problem    string
}

// The modules that the network needs.
var neededModules = []string{"bridge", "tun", "nf_tables"}

// The modules of KVM that say something of it.
const (
	kvmIntel = "kvm_intel"
	kvmAMD   = "kvm_amd"
	kvmPVM   = "kvm_pvm"
)
