package noguest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/machine"
	"stargate.io/stargate/simulator/qemu"
	"stargate.io/stargate/test/users"
)

// Need skips a test where a tool is missing.
func Need(t *testing.T) {
	t.Helper()
	for _, tool := range []string{"qemu-system-x86_64", "qemu-img"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is missing: apt-get install qemu-system-x86 qemu-utils", tool)
		}
	}
}

// Config of machines without a guest in a state folder. They are up once they run, and are not waited for when they are
// asked to shut down, since nobody hears it.
func Config(dir string, disks *Disks) machine.Config {
	return machine.Config{
		Dir: dir, Images: disks, Seeds: seeds{}, Network: network{}, Host: host{},
		RunAs: users.Range(), Default: simulator.Size{CPUs: 1, MemoryMiB: 64, DiskGiB: 1},
		Limits: machine.Limits{Reporter: 50 * time.Millisecond, Look: 50 * time.Millisecond, Powerdown: 100 * time.Millisecond, Reset: 3 * time.Second},
	}
}

// Folder makes a state folder whose path is short enough for QEMU's sockets, and removes it with the test.
func Folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sg") //nolint:usetesting // a test's own folder has a long name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Disks are base images: one, for every request.
type Disks struct {
	mu   sync.Mutex
	held chan struct{}
}

// Hold keeps every job from now on waiting for its image, until release is called.
func (d *Disks) Hold() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	held := make(chan struct{})
	d.held = held
	return sync.OnceFunc(func() { close(held) })
}

// Get implements machine.Images.
func (d *Disks) Get(ctx context.Context, _ simulator.Image, _ int64, _ func(share float64, what string)) (string, error) {
	d.mu.Lock()
	held := d.held
	d.mu.Unlock()
	if held == nil {
		return "blank", nil
	}
	select {
	case <-held:
		return "blank", nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// Overlay implements machine.Images.
func (d *Disks) Overlay(ctx context.Context, _, path string, bytes int64) error {
	raw := path + ".raw"
	defer func() { _ = os.Remove(raw) }() // what is left of it is in the test's folder
	err := os.WriteFile(raw, bootSector("disk"), 0o600)
	if err == nil {
		err = os.Truncate(raw, bytes)
	}
	if err != nil {
		return fmt.Errorf("making the disk: %w", err)
	}
	if out, err := exec.CommandContext(ctx, "qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, path).CombinedOutput(); err != nil {
		return fmt.Errorf("making the disk: %w: %s", err, out)
	}
	return nil
}

// Base implements machine.Images: its disks lie over none.
func (*Disks) Base(string) string { return "" }

// Collect implements machine.Images.
func (*Disks) Collect([]string) error { return nil }

// seeds are for nobody.
type seeds struct{}

// Check implements machine.Seeds.
func (seeds) Check(simulator.Server, simulator.Image) error { return nil }

// Write implements machine.Seeds.
func (seeds) Write(path, _ string, _ simulator.Server, _ simulator.Image) error {
	return os.WriteFile(path, make([]byte, sector), 0o600)
}

// network has no taps, and says that everybody answers.
type network struct{}

// Check implements machine.Network.
func (network) Check(simulator.Server) error { return nil }

// Tap implements machine.Network.
func (network) Tap(context.Context, simulator.Server) (string, error) { return "", nil }

// Remove implements machine.Network.
func (network) Remove(context.Context, string) error { return nil }

// Keep implements machine.Network.
func (network) Keep(context.Context, []string) error { return nil }

// Reach implements machine.Network.
func (network) Reach(context.Context, string) bool { return true }

// Cut implements machine.Network.
func (network) Cut(context.Context, string) error  { return nil }
func (network) Mend(context.Context, string) error { return nil }

// host has room, and no KVM.
type host struct{}

// Accelerator implements machine.Host.
func (host) Accelerator() (name, why string) { return qemu.TCG, "it is a test" }

// Room implements machine.Host.
func (host) Room(simulator.Size, string) error { return nil }

// FreeMiB implements machine.Host.
func (host) FreeMiB() int64 { return 1 << 20 }
