package qemu

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stargate.io/stargate/test/users"
)

// machineOf gives the Spec of a machine without an OS, in a folder of its own, whose process does not outlive the test.
func machineOf(t *testing.T) Spec {
	t.Helper()
	for _, tool := range []string{"qemu-system-x86_64", "qemu-img"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s: apt-get install qemu-system-x86 qemu-utils", tool)
		}
	}
	dir, err := os.MkdirTemp("", "sgq") //nolint:usetesting // its path is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, err := Running(dir)
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
	disk := filepath.Join(dir, "disk.qcow2")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", disk, "64M").CombinedOutput(); err != nil {
		t.Fatalf("making a disk: %v: %s", err, out)
	}
	return Spec{
		Name: "web-1", UUID: "0f0e0d0c-0b0a-4908-8706-050403020100", Accelerator: TCG, CPUs: 1, MemoryMiB: 64, TranslationMiB: 32,
		Disk: Disk{Path: disk, Format: "qcow2"}, RunAs: users.Range(),
		Files: Files{
			QMP: dir + "/q", Console: dir + "/c", Guest: dir + "/g",
			ConsoleLog: dir + "/console.log", Log: dir + "/qemu.log",
		},
	}
}

func start(t *testing.T, spec Spec) Identity {
	t.Helper()
	id, err := Start(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func dial(t *testing.T, spec Spec) *Monitor {
	t.Helper()
	monitor, err := Dial(t.Context(), spec.Files.QMP)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := monitor.Close(); err != nil {
			t.Error(err)
		}
	})
	return monitor
}

// until polls for something that is to become so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline, tick := time.After(20*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-deadline:
			t.Fatalf("after 20 s, still not: %s", what)
		case <-tick.C:
		}
	}
}

func TestAMachineLivesAndIsKnownAgain(t *testing.T) {
	spec := machineOf(t)
	id := start(t, spec)
	if !Find(id) {
		t.Fatal("a machine that was just started is not found")
	}
	found, err := Running(filepath.Dir(spec.Disk.Path))
	if err != nil || len(found) != 1 {
		t.Fatalf("running: %v, %v", found, err)
	}
	if p := found[0]; p.Identity != id || p.Name != spec.Name || p.Disk != spec.Disk.Path || p.Accelerator != TCG {
		t.Errorf("it is known as %+v", p)
	}
	for what, other := range map[string]Identity{
		"another start": {PID: id.PID, StartTime: id.StartTime + 1, BootID: id.BootID, UUID: id.UUID},
		"another boot":  {PID: id.PID, StartTime: id.StartTime, BootID: "x", UUID: id.UUID},
		"another uuid":  {PID: id.PID, StartTime: id.StartTime, BootID: id.BootID, UUID: "x"},
		"another pid":   {PID: os.Getpid(), StartTime: id.StartTime, BootID: id.BootID, UUID: id.UUID},
	} {
		if Find(other) {
			t.Errorf("%s is taken for the machine", what)
		}
		if err := other.Signal(unix.SIGKILL); !errors.Is(err, ErrGone) {
			t.Errorf("%s is signalled: %v", what, err)
		}
	}
	session, err := unix.Getsid(id.PID)
	if err != nil || session != id.PID {
		t.Errorf("its session is %d (%v), so the end of a terminal would end it", session, err)
	}
	if err := id.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	if Find(id) {
		t.Error("it was killed, and is found")
	}
	if err := id.Kill(t.Context()); err != nil {
		t.Errorf("killing what is gone: %v", err)
	}
}

func TestTheMonitorDoesWhatItIsTold(t *testing.T) {
	spec := machineOf(t)
	id, monitor := start(t, spec), (*Monitor)(nil)
	monitor = dial(t, spec)
	ctx := t.Context()
	is := func(want string) {
		t.Helper()
		if state, err := monitor.Status(ctx); err != nil || state != want {
			t.Fatalf("it is %s (%v), not %s", state, err, want)
		}
	}
	is(StateRunning)
	media := filepath.Join(filepath.Dir(spec.Disk.Path), "a,b.iso")
	if err := os.WriteFile(media, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
		then string
	}{
		{"stop", monitor.Stop, StatePaused}, {"cont", monitor.Cont, StateRunning}, {"reset", monitor.Reset, StateRunning},
		{"insert", func(ctx context.Context) error { return monitor.Insert(ctx, media) }, StateRunning},
		{"boot from media", func(ctx context.Context) error { return monitor.BootFirst(ctx, DeviceMedia) }, StateRunning},
		{"eject", monitor.Eject, StateRunning}, {"powerdown", monitor.Powerdown, StateRunning},
	} {
		if err := step.do(ctx); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		is(step.then)
	}
	if err := monitor.Insert(ctx, media+".no"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a medium that is not there: %v", err)
	}
	if err := monitor.Insert(ctx, "nbd:host:1"); err == nil {
		t.Error("a medium that is no file is taken")
	}
	until(t, "the events of all that are there", func() bool { return len(monitor.Events()) >= 4 })
	if err := monitor.Quit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := id.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of the events", func() bool {
		for {
			select {
			case _, open := <-monitor.Events():
				if !open {
					return true
				}
			default:
				return false
			}
		}
	})
	if _, err := monitor.Status(ctx); !errors.Is(err, ErrGone) {
		t.Errorf("asking after the end: %v", err)
	}
}

// TestABootOrderHoldsFromTheNextReset is seen by what the BIOS writes of where it boots from.
func TestABootOrderHoldsFromTheNextReset(t *testing.T) {
	spec := machineOf(t)
	start(t, spec)
	monitor := dial(t, spec)
	console := func() string {
		text, _ := os.ReadFile(spec.Files.ConsoleLog)
		return string(text)
	}
	until(t, "a boot from the disk", func() bool { return strings.Contains(console(), "Booting from Hard Disk") })
	if first, _, _ := strings.Cut(console(), "Booting from Hard Disk"); strings.Contains(first, "Booting from DVD/CD") {
		t.Fatalf("it boots from its drive by itself first:\n%s", console())
	}
	if err := monitor.BootFirst(t.Context(), DeviceMedia); err != nil {
		t.Fatal(err)
	}
	before := len(console())
	if err := monitor.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "a boot from the drive before the disk", func() bool {
		after := console()[before:]
		drive, disk := strings.Index(after, "Booting from DVD/CD"), strings.Index(after, "Booting from Hard Disk")
		return drive >= 0 && disk > drive
	})
}

// TestAMonitorThatDoesNotAnswer costs its asker no more than the time that was given.
func TestAMonitorThatDoesNotAnswer(t *testing.T) {
	spec := machineOf(t)
	id := start(t, spec)
	monitor := dial(t, spec)
	second, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := Dial(second, spec.Files.QMP); err == nil || !strings.Contains(err.Error(), "does not greet") {
		t.Errorf("a second client: %v", err)
	}
	if err := id.Freeze(); err != nil {
		t.Fatal(err)
	}
	within, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := monitor.Status(within); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a frozen machine answers: %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to give up", took)
	}
	if err := id.Thaw(); err != nil {
		t.Fatal(err)
	}
	// The late answer is nobody's, and the next is the right one.
	if state, err := monitor.Status(t.Context()); err != nil || state != StateRunning {
		t.Errorf("after it thawed: %s, %v", state, err)
	}
	if err := id.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := id.Kill(t.Context()); err != nil {
		t.Errorf("killing a frozen machine: %v", err)
	}
}

func TestAMachineThatDoesNotStartSaysWhy(t *testing.T) {
	spec := machineOf(t)
	spec.Disk.Path += ".no"
	if _, err := Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a machine without its disk: %v", err)
	}
	spec.Binary = "/nonexistent"
	if _, err := Start(t.Context(), spec); err == nil {
		t.Error("a program that is not there is started")
	}
}

// TestADiskThatQEMUDoesNotTake is QEMU's to refuse, which it does after its process and its monitor's socket are there.
func TestADiskThatQEMUDoesNotTake(t *testing.T) {
	spec := machineOf(t)
	start(t, spec)
	other := spec // whose files are not those of the one that runs
	other.Name, other.UUID = "web-2", "0f0e0d0c-0b0a-4908-8706-050403020101"
	dir := filepath.Dir(spec.Disk.Path)
	other.Files = Files{QMP: dir + "/q2", Console: dir + "/c2", Guest: dir + "/g2", ConsoleLog: dir + "/console2.log", Log: dir + "/qemu2.log"}
	if _, err := Start(t.Context(), other); err == nil || !strings.Contains(err.Error(), `Failed to get "write" lock`) {
		t.Errorf("a disk that another machine has: %v", err)
	}
	other.Disk.Path = filepath.Join(dir, "damaged.qcow2")
	if err := os.WriteFile(other.Disk.Path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), other); err == nil || !strings.Contains(err.Error(), "Image is not in qcow2 format") {
		t.Errorf("a disk that is damaged: %v", err)
	}
	if left, err := Running(dir); err != nil || len(left) != 1 || left[0].UUID != spec.UUID {
		t.Errorf("there run %+v, %v", left, err)
	}
}

// TestTheFormatIsForced: what a guest writes to its disk cannot make the disk another's.
func TestTheFormatIsForced(t *testing.T) {
	spec := machineOf(t)
	spec.Disk.Format = "raw" // the file is a qcow2
	start(t, spec)
	monitor := dial(t, spec)
	var devices []struct {
		Inserted *struct {
			Driver string `json:"drv"`
		} `json:"inserted"`
	}
	if err := monitor.Run(t.Context(), "query-block", nil, &devices); err != nil {
		t.Fatal(err)
	}
	if len(devices) == 0 || devices[0].Inserted == nil || devices[0].Inserted.Driver != "raw" {
		t.Errorf("the disk is opened as %+v", devices)
	}
}

// TestABigAnswer is longer than a line of go-qemu's own socket may be.
func TestABigAnswer(t *testing.T) {
	spec := machineOf(t)
	start(t, spec)
	monitor := dial(t, spec)
	var schema []any
	if err := monitor.Run(t.Context(), "query-qmp-schema", nil, &schema); err != nil || len(schema) < 100 {
		t.Errorf("the schema: %d entries, %v", len(schema), err)
	}
}

// TestReportsAreLines uses a socket in QEMU's place, since a machine without an OS writes nothing.
func TestReportsAreLines(t *testing.T) {
	dir, err := os.MkdirTemp("", "sgq") //nolint:usetesting // its path is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	listener, err := net.Listen("unix", dir+"/g")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte("one\n\n" + strings.Repeat("x", 3*maxReport) + "\ntwo\nhalf"))
		_ = conn.Close()
	}()
	var got []string
	if err := Reports(t.Context(), dir+"/g", func(line []byte) { got = append(got, string(line)) }); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, "|") != "one|two" {
		t.Errorf("lines: %.100q", got)
	}
}
