package machine

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/account"
	"stargate.io/stargate/simulator/health"
	"stargate.io/stargate/simulator/qemu"
	"stargate.io/stargate/simulator/statefile"
)

// Images gives base images, and disks over them.
type Images interface {
	// Get a base image, kept by its digest, from wherever it comes; one that does not fit a disk of so many bytes is an
	// error, while nothing was touched. Progress is told which part, 0 to 1, is done, and says so.
	Get(ctx context.Context, image simulator.Image, disk int64, progress func(part float64, said string)) (digest string, err error)
	// Overlay makes a disk of a size over a base image.
	Overlay(ctx context.Context, digest, path string, bytes int64) error
	// Base gives the path of a base image that disks lie over; empty where they lie over none.
	Base(digest string) string
	// Collect removes the images that are not in use.
	Collect(inUse []string) error
}

// Seeds writes the cloud-init seed of a machine. The instance is another with every repave.
type Seeds interface {
	// Check refuses documents that cannot be.
	Check(server simulator.Server, image simulator.Image) error
	Write(path, instance string, server simulator.Server, image simulator.Image) error
}

// Network gives a machine its tap, and tells whether it answers.
type Network interface {
	// Check refuses an address that no machine of this network can have.
	Check(server simulator.Server) error
	// Tap makes a machine's tap, or mends it, and gives its name; empty for a machine without an interface.
	Tap(ctx context.Context, server simulator.Server) (string, error)
	// Remove a machine's tap. Removing none is done.
	Remove(ctx context.Context, name string) error
	// Keep removes the taps of machines that are not named.
	Keep(ctx context.Context, names []string) error
	// Reach tells whether an address answers, within ctx.
	Reach(ctx context.Context, ipv4 string) bool
	// Cut a machine off; Mend, or the next Tap, mends it.
	Cut(ctx context.Context, name string) error
	// Mend puts its cable back.
	Mend(ctx context.Context, name string) error
}

// Host tells what the host has for machines.
type Host interface {
	// Accelerator gives qemu.KVM or qemu.TCG, and why it is not KVM.
	Accelerator() (name, why string)
	// Room refuses a machine for which the host has not enough left. Running are the sizes of those that are on.
	Room(size simulator.Size, accelerator string) error
	// FreeMiB of the state folder's file system.
	FreeMiB() int64
}

// Limits of patience with jobs.
type Limits struct {
	// Job is how long a job may take whose own timeout says nothing.
	Job time.Duration
	// Powerdown is how long a guest may take to shut down when it is told to.
	Powerdown time.Duration
	// Reporter is how long a machine may say nothing of itself after a repave; one that answers on its network by then
	// is held for one whose image has no reporter.
	Reporter time.Duration
	// Look is how often machines are looked at.
	Look time.Duration
	// Reset is how long after a reset firmware may reset the machine once more by itself.
	Reset time.Duration
	// ConsoleMiB is how long a console's log may get before its beginning is dropped.
	ConsoleMiB int64
}

// Config of a set of machines.
type Config struct {
	// Dir is the state folder.
	Dir string
	// Lock of it, if whoever opens the machines has taken it; it is the machines' from then on. Nil takes it.
	Lock    *statefile.Lock
	Images  Images
	Seeds   Seeds
	Network Network
	Host    Host
	// Default size, and sizes by machine's name.
	Default simulator.Size
	Sizes   map[string]simulator.Size
	Limits  Limits
	Health  health.Limits
	// Binary of QEMU; empty is that of the PATH. Firmware is a UEFI image for machines that are set to UEFI; empty for
	// none.
	Binary, Firmware string
	// RunAs are the user ids that QEMU runs under, another for each machine; zero is root.
	RunAs account.Range
	// BMC gives the address of a machine's management controller; nil for none.
	BMC func(simulator.Server) string
	Log *slog.Logger
	// Passing is told of each point in a job at which the simulator might die; nil for nobody. Tests die there.
	Passing func(point string)
}

// MaxDir is the longest a state folder's path may be: the names of sockets follow, and fit in what a socket can have.
const MaxDir = qemu.MaxSocketPath - len("/run/") - socketName - len(".qmp")

// socketName is how long the part of a socket's name is that stands for its machine.
const socketName = 16

// withDefaults fills in what was left out.
func (c Config) withDefaults() (Config, error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fmt.Errorf("finding the state folder: %w", err)
	}
	if len(dir) > MaxDir {
		return c, fmt.Errorf("state folder %s: its path is %d bytes long, and sockets in it leave room for %d: give a shorter one", dir, len(dir), MaxDir)
	}
	c.Dir = dir
	c.Default.CPUs = cmp.Or(c.Default.CPUs, 2)
	c.Default.MemoryMiB = cmp.Or(c.Default.MemoryMiB, 4096)
	c.Default.DiskGiB = cmp.Or(c.Default.DiskGiB, 20)
	c.Limits.Job = cmp.Or(c.Limits.Job, 45*time.Minute)
	c.Limits.Powerdown = cmp.Or(c.Limits.Powerdown, time.Minute)
	c.Limits.Reporter = cmp.Or(c.Limits.Reporter, 10*time.Minute)
	c.Limits.Look = cmp.Or(c.Limits.Look, 5*time.Second)
	c.Limits.Reset = cmp.Or(c.Limits.Reset, 10*time.Second)
	c.Limits.ConsoleMiB = cmp.Or(c.Limits.ConsoleMiB, 32)
	c.Health = cmp.Or(c.Health, health.DefaultLimits())
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Passing == nil {
		c.Passing = func(string) {}
	}
	return c, nil
}

// sizeOf gives the size that a machine is to have.
func (c Config) sizeOf(name string) simulator.Size {
	size := c.Sizes[name]
	return simulator.Size{
		CPUs:      cmp.Or(size.CPUs, c.Default.CPUs),
		MemoryMiB: cmp.Or(size.MemoryMiB, c.Default.MemoryMiB),
		DiskGiB:   cmp.Or(size.DiskGiB, c.Default.DiskGiB),
	}
}
