package machine

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/qemu"
)

// The guests of these tests are boot sectors: the least that can do something of its own.
var (
	// resetsItself: mov al,0xfe; out 0x64,al, which pulls the reset line by the keyboard's controller; hlt.
	resetsItself = []byte{0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd}
	// panics: mov dx,0x505; mov al,1; out dx,al, which is pvpanic's port; hlt.
	panics = []byte{0xba, 0x05, 0x05, 0xb0, 0x01, 0xee, 0xf4, 0xeb, 0xfd}
	// turnsItselfOff: mov dx,0x604; mov ax,0x2000; out dx,ax, which is ACPI's S5 on q35; hlt.
	turnsItselfOff = []byte{0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xf4, 0xeb, 0xfd}
	// turnsItselfOffWhenTold waits for a byte on its console first: mov dx,0x3fd; in al,dx; test al,1; jz to in.
	turnsItselfOffWhenTold = append([]byte{0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xfb}, turnsItselfOff...)
	// fillsItsDisk writes 32 KiB at every 64 KiB of 16 MiB, by the BIOS (int 0x13, ah=0x43), each of which takes 64 KiB of the host.
	fillsItsDisk = append([]byte{
		0x31, 0xc0, // xor ax,ax
		0x8e, 0xd8, // mov ds,ax
		0xbe, 0x40, 0x7c, // mov si,packet
		0xb8, 0x00, 0x43, // mov ax,0x4300
		0xb2, 0x80, // mov dl,0x80
		0xcd, 0x13, // int 0x13
		0x66, 0x81, 0x06, 0x48, 0x7c, 0x80, 0x00, 0x00, 0x00, // add dword [packet+8],128
		0x66, 0x81, 0x3e, 0x48, 0x7c, 0x00, 0x88, 0x00, 0x00, // cmp dword [packet+8],2048+256*128
		0x72, 0xe2, // jb to mov si
		0xf4, 0xeb, 0xfd, // hlt, for good
	}, append(make([]byte, 0x40-0x25),
		0x10, 0x00, 0x40, 0x00, 0x00, 0x80, 0x00, 0x00, // packet: 64 sectors from 0:0x8000
		0x00, 0x08, 0, 0, 0, 0, 0, 0, // to sector 2048 on
	)...)
)

// bootSector makes a disk's first sector of a program.
func bootSector(program []byte) []byte {
	sector := make([]byte, 512)
	copy(sector, program)
	sector[510], sector[511] = 0x55, 0xaa
	return sector
}

func TestAMachineThatResetsItselfAgainAndAgain(t *testing.T) {
	l := newLot(t)
	l.images.program = resetsItself
	s := l.open()
	_, err := s.Do(t.Context(), repave("j1", "web-1", "1.0"), nil)
	if err != nil && !strings.Contains(err.Error(), "booted") {
		t.Fatal(err)
	}
	is(t, s, "web-1", "given up on", func(st simulator.Status) bool {
		return st.Health.Condition == simulator.Quarantined && st.PID == 0 && strings.Contains(st.Health.Message, "booted")
	})
}

func TestAMachineThatPanics(t *testing.T) {
	l := newLot(t)
	l.images.program = panics
	l.patient = time.Minute
	s := l.open()
	if _, err := s.Do(t.Context(), repave("j1", "web-1", "1.0"), nil); err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("a repave with what panics: %v", err)
	}
	is(t, s, "web-1", "given up on", func(st simulator.Status) bool {
		return st.Health.Condition == simulator.Quarantined && st.PID == 0 && strings.Contains(st.Health.Message, "panicked")
	})
}

func TestAMachineThatTurnsItselfOffStaysOff(t *testing.T) {
	l := newLot(t)
	s := l.open()
	done(t, s, repave("j1", "web-1", "1.0"))
	// From here on it boots what turns itself off.
	done(t, s, act("j2", "web-1", simulator.PowerOff))
	disk := filepath.Join(l.dir, "machines", "web-1", "disk-1.qcow2")
	raw := filepath.Join(l.dir, "off.raw")
	if err := os.WriteFile(raw, bytes.Join([][]byte{bootSector(turnsItselfOff), make([]byte, 1<<20)}, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := qemuImg(t.Context(), "convert", "-q", "-f", "raw", "-O", "qcow2", raw, disk); err != nil {
		t.Fatal(err)
	}
	done(t, s, act("j3", "web-1", simulator.PowerOn))
	is(t, s, "web-1", "off by itself", func(st simulator.Status) bool { return st.PID == 0 && st.Health.Condition == simulator.Off })
}

// TestAMachineThatTurnsItselfOffWhileNobodyLooksStaysOff: the simulator that comes back tells it from one that died.
func TestAMachineThatTurnsItselfOffWhileNobodyLooksStaysOff(t *testing.T) {
	l := newLot(t)
	l.images.program = turnsItselfOffWhenTold
	s := l.open()
	done(t, s, repave("j1", "web-1", "1.0"))
	m := s.byName["web-1"]
	closed(t, s)
	monitor, err := qemu.Dial(t.Context(), m.socket("qmp"))
	if err != nil {
		t.Fatal(err)
	}
	tell := teller(t, m.socket("tty"))
	eventually(t, "shut down", func() bool {
		tell() // again and again: the firmware reads what comes before the guest is there
		state, err := monitor.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return state == qemu.StateShutdown
	})
	if err := monitor.Close(); err != nil {
		t.Fatal(err)
	}
	var died atomic.Bool
	l.passing = func(point string) { died.CompareAndSwap(false, point == "off:intended") }
	s = l.open()
	off := is(t, s, "web-1", "off by itself", func(st simulator.Status) bool { return st.PID == 0 && st.Health.Condition == simulator.Off })
	if !died.Load() || s.byName["web-1"].known().Wanted || len(s.byName["web-1"].known().Restarts) > 0 {
		t.Errorf("it is %+v", off)
	}
}

// TestAnEndThatWasDecidedOnIsBroughtAbout: the simulator died after it had kept that a machine is off, and before it was.
func TestAnEndThatWasDecidedOnIsBroughtAbout(t *testing.T) {
	l := newLot(t)
	s := l.open()
	done(t, s, repave("j1", "web-1", "1.0"))
	if err := s.byName["web-1"].change(func(r *record) { r.Wanted = false }); err != nil {
		t.Fatal(err)
	}
	is(t, s, "web-1", "off", func(st simulator.Status) bool { return st.PID == 0 && st.Health.Condition == simulator.Off })
}

// teller gives what tells a guest something by its console.
func teller(t *testing.T, console string) func() {
	t.Helper()
	connection, err := net.Dial("unix", console)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return func() {
		t.Helper()
		if _, err := connection.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
}

// eventually polls for what is to become so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline, tick := time.After(30*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-deadline:
			t.Fatalf("after 30 s, it is still not %s", what)
		case <-tick.C:
		}
	}
}

// TestAHostsDiskThatIsFull: the state folder is on a file system of its own, which the guest fills.
func TestAHostsDiskThatIsFull(t *testing.T) {
	l := newLot(t)
	if err := unix.Mount("tmpfs", l.dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("it fills a file system of its own, which cannot be mounted here (run the tests as root): %v", err)
	}
	t.Cleanup(func() {
		// What runs from it is ended by the lot, which is cleaned up after this.
		if err := unix.Unmount(l.dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	l.images.program = fillsItsDisk
	l.host.free = func() int64 {
		var stat unix.Statfs_t
		if err := unix.Statfs(l.dir, &stat); err != nil {
			return 0
		}
		return int64(stat.Bavail) * stat.Bsize >> 20
	}
	ballast := filepath.Join(l.dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 12<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	config := l.config()
	config.Health.RoomMiB = 4
	s, err := Open(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if _, err := s.Do(t.Context(), repave("j1", "web-1", "1.0"), nil); err != nil && !strings.Contains(err.Error(), "full") {
		t.Fatal(err)
	}
	full := is(t, s, "web-1", "paused", func(st simulator.Status) bool { return st.Health.Condition == simulator.Paused })
	if !strings.Contains(full.Health.Message, "MiB left") || full.PID == 0 {
		t.Errorf("it is %+v", full)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	is(t, s, "web-1", "going on", func(st simulator.Status) bool { return st.PID == full.PID && st.Health.Condition == simulator.Healthy })
}
