package account

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Range{"root": {}, "7": {7, 7}, "7-9": {7, 9}, Default.String(): Default} {
		if got, err := Parse(text); err != nil || got != want || got.String() != text {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "0-9", "9-7", "-7", "7-", "nobody", "7-9-11", "+7", " 7", "4294967295", "-1"} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

// TestAnIDIsOneProcesss: it is not given to a second while the first is being started, nor while it runs.
func TestAnIDIsOneProcesss(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process as another user")
	}
	two := Range{Default.Last - 1, Default.Last}
	first, err := two.Take()
	if err != nil {
		t.Fatal(err)
	}
	second, err := two.Take()
	if err != nil || second.ID == first.ID {
		t.Fatalf("then %d, %v, and first %d", second.ID, err, first.ID)
	}
	if third, err := two.Take(); err == nil || !strings.Contains(err.Error(), "--run-as") {
		t.Errorf("of two ids, a third is %d, %v", third.ID, err)
	}
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: first.Credential()}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	first.Release()
	second.Release()
	again, err := two.Take()
	if err != nil || again.ID != second.ID {
		t.Errorf("while a process of %d runs, %d is given, %v; want %d", first.ID, again.ID, err, second.ID)
	}
	again.Release()
}

func TestAnIDOfSomebodysIsNotGiven(t *testing.T) {
	// Both have a name on every host.
	if got, err := (Range{65534, 65535}).Take(); err == nil && got.ID == 65534 {
		t.Error("nobody's id is given")
	}
}

func TestIDsOfAContainer(t *testing.T) {
	for text, want := range map[string]bool{
		"         0          0 4294967295\n": true, "0 100000 65536\n": true, "0 100000 61112\n": true, "0 100000 61111\n": false,
		"0 1000 1\n": false, "60601 100000 65536\n": false, "": false, "0 0 65536\nx": true,
	} {
		proc := t.TempDir()
		for _, kind := range []string{"uid_map", "gid_map"} {
			path := filepath.Join(proc, "self", kind)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := Default.Known(proc); (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestDevice(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to a group")
	}
	path := filepath.Join(t.TempDir(), "kvm")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		mode   os.FileMode
		group  int
		who    Range
		groups []uint32
		closed bool
	}{
		"root's alone":          {0o600, 0, Default, nil, true},
		"root's group's":        {0o660, 0, Default, nil, true},
		"a group's":             {0o660, 104, Default, []uint32{104}, false},
		"a group's, to look at": {0o640, 104, Default, nil, true},
		"everybody's":           {0o666, 104, Default, nil, false},
		"root's, and asks":      {0o600, 0, Range{}, nil, false},
	} {
		if err := os.Chown(path, 0, c.group); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		groups, err := c.who.Device(path)
		if (err != nil) != c.closed || len(groups) != len(c.groups) || len(groups) > 0 && groups[0] != c.groups[0] {
			t.Errorf("%s: %v, %v", name, groups, err)
		}
		if err != nil && !strings.Contains(err.Error(), "chgrp kvm "+path) {
			t.Errorf("%s: %v does not say what to mend", name, err)
		}
	}
}
