package host

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"stargate.io/stargate/simulator"
)

// Host judges the host as it is in the moment that it is asked, for package machine.
type Host struct {
	place       Place
	accelerator Accelerator
	why         string
	// Reserve is what is kept from machines.
	Reserve Reserve
	// Machines gives all machines; those whose process runs, or is to run in a moment, count. It is nil before there are any.
	Machines func() []simulator.Status
}

// Auto is for an accelerator that is to be chosen.
const Auto Accelerator = "auto"

// New gives a host on which machines run under an accelerator; Auto is chosen, now and for all of them.
func New(place Place, accelerator Accelerator) *Host {
	h := &Host{place: place, accelerator: accelerator}
	switch accelerator {
	case KVM:
	case TCG:
		h.why = "it was asked for"
	default:
		h.accelerator, h.why = Choose(place)
	}
	return h
}

// Accelerator gives KVM or TCG, and why it is not KVM.
func (h *Host) Accelerator() (name, why string) { return string(h.accelerator), h.why }

// Room refuses a new machine for which there is none.
// Errors: *simulator.Refused.
func (h *Host) Room(size simulator.Size, accelerator string) error {
	return Admit(Measure(h.place), h.Reserve, h.loads(), Load{Size: size, Accelerator: Accelerator(accelerator)})
}

// FreeMiB of the state folder's file system.
func (h *Host) FreeMiB() int64 { return int64(folder(h.place.State).FreeMiB) }

// loads gives what the machines that run were given and have taken. One whose process has just ended, which nobody has
// noticed yet, has given everything back.
func (h *Host) loads() []Load {
	if h.Machines == nil {
		return nil
	}
	var running []Load
	for _, machine := range h.Machines() {
		taken, runs := resident(h.place, machine.PID)
		if !runs && !machine.Starting {
			continue
		}
		running = append(running, Load{
			Size: machine.Size, Accelerator: Accelerator(machine.Accelerator), ResidentMiB: taken, DiskMiB: filled(h.place, machine.Server.Name),
		})
	}
	return running
}

// resident gives how much memory a process has, and whether it runs: one that has ended has none.
func resident(p Place, pid int) (mib int, runs bool) {
	if pid <= 0 {
		return 0, false
	}
	for _, line := range lines(p.at("proc/" + strconv.Itoa(pid) + "/status")) {
		if value, found := strings.CutPrefix(line, "VmRSS:"); found {
			return mebibytes(value), true
		}
	}
	return 0, false
}

// filled gives how much a machine's disks take.
func filled(p Place, name string) int {
	disks, err := filepath.Glob(filepath.Join(p.State, "machines", name, "disk-*.qcow2"))
	if err != nil {
		return 0 // a name that is a pattern is no machine's
	}
	var blocks int64
	for _, disk := range disks {
		if info, err := os.Lstat(disk); err == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				blocks += stat.Blocks
			}
		}
	}
	return int(blocks >> 11) // of 512 bytes each
}
