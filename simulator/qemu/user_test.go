package qemu

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stargate.io/stargate/simulator/account"
)

// uidOf a process, as the kernel tells: the real one, the effective one, and two more.
func uidOf(t *testing.T, id Identity) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", id.PID))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nUid:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.Join(strings.Fields(line), " ")
}

// TestAMachineIsOfAUserOfItsOwn, who is not the next one's, though their files are root's in folders that are.
func TestAMachineIsOfAUserOfItsOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process as another user")
	}
	one, two := machineOf(t), machineOf(t)
	first, second := uidOf(t, start(t, one)), uidOf(t, start(t, two))
	if first == second || strings.Contains(" "+first+" "+second+" ", " 0 ") {
		t.Errorf("they run as %q and %q", first, second)
	}
	shared := machineOf(t)
	shared.RunAs = account.Range{First: 61180, Last: 61180}
	if got := uidOf(t, start(t, shared)); got != "61180 61180 61180 61180" {
		t.Errorf("told whom to run as, it runs as %q", got)
	}
	root := machineOf(t)
	root.RunAs = account.Range{}
	if got := uidOf(t, start(t, root)); got != "0 0 0 0" {
		t.Errorf("told to run as root, it runs as %q", got)
	}
}

// TestADiskDoesNotSayWhatItLiesOver: its file is written by the process, which may have been broken into.
func TestADiskDoesNotSayWhatItLiesOver(t *testing.T) {
	spec := machineOf(t)
	spec.RunAs = account.Range{} // who may open all
	folder := filepath.Dir(spec.Disk.Path)
	secret, base := filepath.Join(folder, "secret"), filepath.Join(folder, "base.qcow2")
	if err := os.WriteFile(secret, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"create", "-q", "-f", "qcow2", base, "64M"},
		{"create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret, spec.Disk.Path, "64M"},
	} {
		if out, err := exec.Command("qemu-img", args...).CombinedOutput(); err != nil {
			t.Fatalf("making a disk: %v: %s", err, out)
		}
	}
	for _, over := range []string{"", base} {
		spec.Disk.Base = over
		id := start(t, spec)
		links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", id.PID))
		if err != nil {
			t.Fatal(err)
		}
		opened := map[string]bool{}
		for _, link := range links {
			if path, err := os.Readlink(link); err == nil {
				opened[path] = true
			}
		}
		if opened[secret] || opened[base] != (over != "") || !opened[spec.Disk.Path] {
			t.Errorf("over %q, it has open: %v", over, opened)
		}
		if err := id.Kill(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestADeviceThatIsClosed to machines is said before anything is started.
func TestADeviceThatIsClosed(t *testing.T) {
	spec := machineOf(t)
	spec.Accelerator = KVM
	_, missing := os.Stat(kvmDevice)
	if _, closed := spec.RunAs.Device(kvmDevice); closed == nil || missing != nil {
		t.Skip("/dev/kvm is open to others here, or there is none")
	}
	if _, err := Start(t.Context(), spec); err == nil || !strings.Contains(err.Error(), "chgrp kvm") {
		t.Errorf("a start: %v", err)
	}
	if _, err := os.Stat(spec.Files.QMP); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a socket: %v", err)
	}
}
