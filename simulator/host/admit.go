package host

import (
	"fmt"
	"strings"

	"stargate.io/stargate/simulator"
)

// TranslationMiB is how large TCG's cache of translated code is to be (tb-size). Left alone it grows to a gigabyte for each
// machine, more than many of the machines themselves.
const TranslationMiB = 256

// processMiB is what QEMU itself takes beside the guest's memory.
const processMiB = 128

// Reserve is what is kept from machines. Zero values take the defaults.
type Reserve struct {
	// MemoryMiB that stays free for the host; 512 by default.
	MemoryMiB int
	// DiskMiB that stays free under the state folder; 1024 by default.
	DiskMiB int
	// CPUsPerCore is how many CPUs of machines share a core; 8 by default. They wait for each other, and nothing is lost.
	CPUsPerCore int
}

func (r Reserve) complete() Reserve {
	fill := func(value, by int) int {
		if value == 0 {
			return by
		}
		return value
	}
	return Reserve{fill(r.MemoryMiB, 512), fill(r.DiskMiB, 1024), fill(r.CPUsPerCore, 8)}
}

// growthMiB is how far a new machine's disk is expected to fill. Disks are sparse, and few fill up: to ask for all of
// their size would refuse most machines on most hosts. One that finds the disk full is paused, not broken.
const growthMiB = 4 << 10

// Load is a machine that runs: what it was given, and what it has taken of it so far.
type Load struct {
	Size        simulator.Size
	Accelerator Accelerator
	ResidentMiB int // of its process
	DiskMiB     int // that its disk takes
}

// need is what a machine may take at its most.
func (l Load) needMemory() int {
	if l.Accelerator == TCG {
		return l.Size.MemoryMiB + processMiB + TranslationMiB
	}
	return l.Size.MemoryMiB + processMiB
}

func (l Load) needDisk() int { return min(l.Size.DiskGiB<<10, growthMiB) }

// Admit refuses a machine for which a host has no room. What running machines were given and have not taken yet is theirs.
// machine's ResidentMiB and DiskMiB are zero for one that is new.
// Errors: *simulator.Refused that says what is short, by how much, and how to mend it.
func Admit(has Capacity, keep Reserve, running []Load, machine Load) error {
	keep = keep.complete()
	var memory, disk, cpus int
	for _, other := range running {
		memory += max(0, other.needMemory()-other.ResidentMiB)
		disk += max(0, other.needDisk()-other.DiskMiB)
		cpus += other.Size.CPUs
	}
	var short []string
	for _, part := range []string{
		shortOfMemory(has, keep, memory, machine),
		shortOfDisk(has, keep, disk, machine),
		shortOfCores(has, keep, cpus, machine),
	} {
		if part != "" {
			short = append(short, part)
		}
	}
	if short == nil {
		return nil
	}
	return simulator.Refuse(simulator.ReasonHostLimits, "the host has no room for the machine: %s", strings.Join(short, "; and "))
}

func shortOfMemory(has Capacity, keep Reserve, promised int, machine Load) string {
	need := max(0, machine.needMemory()-machine.ResidentMiB)
	left := has.MemoryMiB - keep.MemoryMiB - promised
	if need <= left {
		return ""
	}
	parts := fmt.Sprintf("%d its own, %d for QEMU", machine.Size.MemoryMiB, processMiB)
	if machine.Accelerator == TCG {
		parts += fmt.Sprintf(", %d for TCG's translations", TranslationMiB)
	}
	return fmt.Sprintf("memory is %d MiB short: it needs %d MiB (%s), and of %d MiB available %d are kept for the host and %d for machines that run: "+
		"give it less memory, or end another machine", need-left, need, parts, has.MemoryMiB, keep.MemoryMiB, promised)
}

func shortOfDisk(has Capacity, keep Reserve, promised int, machine Load) string {
	need := max(0, machine.needDisk()-machine.DiskMiB)
	left := has.DiskMiB - keep.DiskMiB - promised
	if need <= left {
		return ""
	}
	return fmt.Sprintf("disk is %d MiB short: it is expected to fill %d MiB, and of %d MiB free under the state folder %d are kept for the host and %d for machines "+
		"that run: make room, delete a machine, or use a state folder on a larger disk", need-left, need, has.DiskMiB, keep.DiskMiB, promised)
}

func shortOfCores(has Capacity, keep Reserve, taken int, machine Load) string {
	limit := has.Cores * keep.CPUsPerCore
	if taken+machine.Size.CPUs <= limit {
		return ""
	}
	return fmt.Sprintf("cores are %d CPUs short: it needs %d, machines that run have %d, and %d cores carry at most %d: give it fewer CPUs, or end another machine",
		taken+machine.Size.CPUs-limit, machine.Size.CPUs, taken, has.Cores, limit)
}
