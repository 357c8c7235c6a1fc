package machine

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/qemu"
)

// TestAMachineOfAnEarlierVersion, which runs as root and opened its files by their paths, is adopted with all that it can
// do, and is of a user of its own from its next start on.
func TestAMachineOfAnEarlierVersion(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process as another user")
	}
	l := newLot(t)
	s := l.open()
	done(t, s, repave("j1", "web-1", "1.0"))
	m := s.byName["web-1"]
	r := m.known()
	closed(t, s)
	if err := r.Process.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	files := m.files()
	for _, path := range m.sockets() {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	earlier := exec.Command("qemu-system-x86_64", "-name", "guest=web-1", "-uuid", r.UUID, "-pidfile", m.file("pid"), "-nodefaults", "-display", "none",
		"-machine", "q35", "-accel", "tcg,tb-size=32", "-m", "64M",
		"-blockdev", `{"driver":"qcow2","node-name":"disk","file":{"driver":"file","filename":"`+m.file(r.Disk.File)+`"}}`,
		"-device", "virtio-blk-pci,id=disk0,drive=disk,bootindex=10", "-device", "virtio-scsi-pci,id=scsi0", "-device", "scsi-cd,id=media0,bus=scsi0.0,bootindex=11",
		"-chardev", "socket,id=console,path="+files.Console+",server=on,wait=off,logfile="+files.ConsoleLog+",logappend=on", "-serial", "chardev:console",
		"-chardev", "socket,id=monitor,path="+files.QMP+",server=on,wait=off", "-mon", "chardev=monitor,mode=control")
	if err := earlier.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = earlier.Wait() }()
	t.Cleanup(func() { _ = earlier.Process.Kill() })

	l.until("the machine of the earlier version runs", func() bool {
		found, err := qemu.Running(l.dir)
		_, listens := os.Stat(files.QMP)
		return err == nil && len(found) == 1 && listens == nil
	})
	s = l.open()
	is(t, s, "web-1", "adopted", func(st simulator.Status) bool {
		return st.PID == earlier.Process.Pid && st.Health.Condition == simulator.Healthy
	})
	medium := m.file("medium.iso")
	if err := os.WriteFile(medium, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.SetMedium(t.Context(), "web-1", &simulator.Medium{Path: medium}); err != nil {
		t.Errorf("a medium for it: %v", err)
	}
	if err := s.Hurt(t.Context(), "web-1", "kill"); err != nil {
		t.Fatal(err)
	}
	now := is(t, s, "web-1", "started again", func(st simulator.Status) bool {
		return st.PID != 0 && st.PID != earlier.Process.Pid && st.Health.Condition == simulator.Healthy
	})
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", now.PID))
	if err != nil || strings.Contains(string(text), "\nUid:\t0") {
		t.Errorf("it runs as root still: %v\n%s", err, text)
	}
}

// TestWhoeverSaysItIsAMachine, by its arguments, has no other ended for it and is not taken for one: neither where it is of a
// user that no machine is, nor where it might be one.
func TestWhoeverSaysItIsAMachine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process as another user")
	}
	l := newLot(t)
	s := l.open()
	done(t, s, repave("j1", "web-1", "1.0"))
	before, _ := s.Get("web-1")
	closed(t, s)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", before.PID))
	if err != nil {
		t.Fatal(err)
	}
	says := func(user uint32) (ended <-chan error) {
		cmd := exec.Command("/bin/sh", append([]string{"-c", "read wait"}, strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		until, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		t.Cleanup(func() { _ = until.Close() })
		return done
	}
	stranger, possible := says(65534), says(0)
	l.until("three say that they are the machine", func() bool {
		found, err := qemu.Running(l.dir)
		return err == nil && len(found) == 3
	})
	s = l.open()
	if after, _ := s.Get("web-1"); after.PID != before.PID {
		t.Errorf("it is process %d, and was %d", after.PID, before.PID)
	}
	<-possible // which no record names
	select {
	case err := <-stranger:
		t.Errorf("another user's process was ended: %v", err)
	default:
	}
	is(t, s, "web-1", "healthy", func(st simulator.Status) bool {
		return st.Health.Condition == simulator.Healthy && st.PID == before.PID
	})
}

// until polls for something that is to become so.
func (l *lot) until(what string, so func() bool) {
	l.t.Helper()
	deadline, tick := time.After(30*time.Second), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-deadline:
			l.t.Fatalf("after 30 s, still not: %s", what)
		case <-tick.C:
		}
	}
}
