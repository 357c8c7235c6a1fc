package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/health"
	"stargate.io/stargate/simulator/qemu"
	"stargate.io/stargate/test/users"
)

// The machines of these tests are real and have no OS: an empty disk, 64 MiB, TCG. They come up in a fifth of a second,
// and say what their BIOS says. What a guest would say is said in tests with an image.

// emptyImages are base images without anything in them. Overlays are real.
type emptyImages struct {
	dir      string
	overlays atomic.Int64
	hold     chan struct{} // Get waits for it, where there is one
	program  []byte        // of the boot sector; nil for a disk without any
}

func (i *emptyImages) base() string { return filepath.Join(i.dir, "empty.qcow2") }

func (i *emptyImages) Get(ctx context.Context, image simulator.Image, _ int64, progress func(part float64, said string)) (string, error) {
	if image.URL == "file:///bad" {
		return "", errors.New("the checksum differs")
	}
	progress(0.5, "1 of 2 MiB")
	if i.hold != nil {
		select {
		case <-i.hold:
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
	if _, err := os.Stat(i.base()); err == nil {
		return "sha256:empty", nil
	}
	if i.program == nil {
		return "sha256:empty", qemuImg(ctx, "create", "-q", "-f", "qcow2", i.base(), "64M")
	}
	raw := i.base() + ".raw"
	if err := os.WriteFile(raw, bootSector(i.program), 0o600); err != nil {
		return "", err
	}
	if err := os.Truncate(raw, 64<<20); err != nil {
		return "", err
	}
	return "sha256:empty", errors.Join(qemuImg(ctx, "convert", "-q", "-f", "raw", "-O", "qcow2", raw, i.base()), os.Remove(raw))
}

func (i *emptyImages) Overlay(ctx context.Context, digest, path string, _ int64) error {
	i.overlays.Add(1)
	if digest != "sha256:empty" {
		return fmt.Errorf("there is no image %q", digest)
	}
	return qemuImg(ctx, "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", i.base(), path)
}

func (i *emptyImages) Base(digest string) string {
	if digest == "" {
		return ""
	}
	return i.base()
}

func (i *emptyImages) Collect(inUse []string) error {
	if slices.Contains(inUse, "sha256:empty") {
		return nil
	}
	if err := os.Remove(i.base()); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func qemuImg(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, "qemu-img", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("qemu-img: %w: %s", err, out)
	}
	return nil
}

// plainSeeds write the name of the instance, which nobody without an OS reads.
type plainSeeds struct{}

func (plainSeeds) Check(simulator.Server, simulator.Image) error { return nil }
func (plainSeeds) Write(path, instance string, _ simulator.Server, _ simulator.Image) error {
	return os.WriteFile(path, []byte(instance), 0o600)
}

// noNetwork has no taps, and says of every machine what it is told to.
type noNetwork struct {
	away atomic.Bool
}

func (*noNetwork) Check(simulator.Server) error { return nil }

// Tap puts a cable back, as the real one does.
func (n *noNetwork) Tap(context.Context, simulator.Server) (string, error) {
	n.away.Store(false)
	return "", nil
}
func (*noNetwork) Remove(context.Context, string) error { return nil }
func (*noNetwork) Keep(context.Context, []string) error { return nil }
func (n *noNetwork) Cut(context.Context, string) error  { n.away.Store(true); return nil }
func (n *noNetwork) Mend(context.Context, string) error { n.away.Store(false); return nil }
func (n *noNetwork) Reach(context.Context, string) bool { return !n.away.Load() }

// bigHost has room for all but giants, unless somebody else takes it.
type bigHost struct {
	free  func() int64
	taken atomic.Bool
}

func (*bigHost) Accelerator() (string, string) { return qemu.TCG, "this is a test" }
func (h *bigHost) FreeMiB() int64              { return h.free() }
func (h *bigHost) Room(size simulator.Size, _ string) error {
	if size.MemoryMiB > 1<<20 || h.taken.Load() {
		return simulator.Refuse(simulator.ReasonHostLimits, "the host has no %d MiB", size.MemoryMiB)
	}
	return nil
}

// lot is a state folder, and what its machines are made with.
type lot struct {
	t       testing.TB
	dir     string
	images  *emptyImages
	network *noNetwork
	host    *bigHost
	passing func(string)
	// patient is how long a guest may take to be heard.
	patient time.Duration
	mu      sync.Mutex
	logged  strings.Builder
}

func newLot(t *testing.T) *lot {
	t.Helper()
	for _, tool := range []string{"qemu-system-x86_64", "qemu-img"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s: apt-get install qemu-system-x86 qemu-utils", tool)
		}
	}
	dir, err := os.MkdirTemp("", "sgm") //nolint:usetesting // its path is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, err := qemu.Running(dir)
		if err != nil {
			t.Error(err)
		}
		for _, p := range left {
			if err := p.Kill(context.Background()); err != nil {
				t.Error(err)
			}
		}
		_ = os.RemoveAll(dir)
	})
	return lotAt(t, dir)
}

func lotAt(t testing.TB, dir string) *lot {
	l := &lot{t: t, dir: dir, images: &emptyImages{dir: dir}, network: &noNetwork{}, host: &bigHost{}, patient: 300 * time.Millisecond}
	l.host.free = func() int64 { return 10_000 }
	return l
}

// Write keeps what the machines log, to be shown when a test fails.
func (l *lot) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logged.Write(text)
}

func (l *lot) config() Config {
	return Config{
		Dir: l.dir, Images: l.images, Seeds: plainSeeds{}, Network: l.network, Host: l.host,
		Default: simulator.Size{CPUs: 1, MemoryMiB: 64, DiskGiB: 1}, Sizes: map[string]simulator.Size{"giant": {MemoryMiB: 4 << 20}},
		Limits: Limits{Job: time.Minute, Powerdown: 100 * time.Millisecond, Reporter: l.patient, Look: 100 * time.Millisecond, Reset: time.Second},
		Health: health.Limits{
			Silent: 2 * time.Second, Starting: time.Second, Kernel: time.Minute, Unreachable: time.Second,
			Restarts: 3, Window: time.Hour, Boots: 6, RoomMiB: 256,
		},
		Log: slog.New(slog.NewTextHandler(l, nil)), Passing: l.passing, RunAs: users.Range(),
	}
}

// open the lot's machines until the test ends.
func (l *lot) open() *Machines {
	l.t.Helper()
	s, err := Open(context.Background(), l.config())
	if err != nil {
		l.t.Fatal(err)
	}
	var once sync.Once
	l.t.Cleanup(func() {
		once.Do(func() { _ = s.Close() })
		if l.t.Failed() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.t.Log(l.logged.String())
		}
	})
	return s
}

func closed(t testing.TB, s *Machines) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func serverOf(name string) simulator.Server {
	n := len(name) + int(name[len(name)-1])
	return simulator.Server{Name: name, UID: "uid-" + name, MAC: fmt.Sprintf("52:54:00:00:00:%02x", n%256), IPv4: fmt.Sprintf("192.168.100.%d", 2+n%250)}
}

func repave(id, name, version string) simulator.Job {
	return simulator.Job{ID: id, Action: simulator.Repave, Server: serverOf(name), Image: &simulator.Image{OSVersion: version, ProfileHash: "hash-" + version}}
}

func act(id, name string, action simulator.Action) simulator.Job {
	return simulator.Job{ID: id, Action: action, Server: serverOf(name)}
}

func done(t testing.TB, s *Machines, job simulator.Job) simulator.Result {
	t.Helper()
	result, err := s.Do(context.Background(), job, nil)
	if err != nil {
		t.Fatalf("%s: %v", job.ID, err)
	}
	return result
}

// is polls a machine until it is so.
func is(t testing.TB, s *Machines, name, what string, so func(simulator.Status) bool) simulator.Status {
	t.Helper()
	deadline, tick := time.After(30*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for {
		status, made := s.Get(name)
		if made && so(status) {
			return status
		}
		select {
		case <-deadline:
			t.Fatalf("after 30 s machine %s is still not %s: %+v", name, what, status)
		case <-tick.C:
		}
	}
}

// left gives all that there is of a state folder: processes, and files but for those that always are.
func (l *lot) left() []string {
	l.t.Helper()
	var all []string
	processes, err := qemu.Running(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, p := range processes {
		all = append(all, "process "+p.Name+" on "+filepath.Base(p.Disk))
	}
	err = filepath.WalkDir(l.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rest, _ := filepath.Rel(l.dir, path)
		if strings.HasPrefix(rest, "run/") {
			rest = "run/*" + filepath.Ext(rest)
		}
		if rest != "lock" {
			all = append(all, rest)
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// whole is what there is of one machine that is on, and nothing else.
func whole(name string, generation int) []string {
	folder := "machines/" + name + "/"
	return []string{
		"empty.qcow2", folder + "console.log", fmt.Sprintf("%sdisk-%d.qcow2", folder, generation), folder + "machine.json",
		folder + "qemu.log", fmt.Sprintf("%sseed-%d.iso", folder, generation), fmt.Sprintf("process %s on disk-%d.qcow2", name, generation),
		"run/*.qmp", "run/*.rpt", "run/*.tty",
	}
}

func (l *lot) mustBe(want []string) {
	l.t.Helper()
	if got := l.left(); !slices.Equal(got, want) {
		l.t.Errorf("there is\n  %s\nand is to be\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
