package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func open(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestOnlyOneHoldsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	first := open(t, path)
	_, err := Open(path)
	if !errors.Is(err, ErrTaken) {
		t.Fatalf("got %v, want ErrTaken", err)
	}
	for _, says := range []string{path, "pid " + strconv.Itoa(os.Getpid()), "--data"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%q does not say %q", err, says)
		}
	}
	first.Close()
	open(t, path)
}

// A holder that was killed leaves its pid behind, and that must not matter.
func TestLeftLockIsNoLock(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "lock"), []byte("123456789\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if b, _ := os.ReadFile(filepath.Join(path, "lock")); strings.TrimSpace(string(b)) != strconv.Itoa(os.Getpid()) {
		t.Errorf("lock says %q", b)
	}
}

func TestItIsClosedToOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o700 {
		t.Errorf("mode %s", info.Mode())
	}
}

func TestPortIsKept(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	if got := d.Port(); got != 0 {
		t.Errorf("of a new folder: got %d, want 0", got)
	}
	if err := d.SavePort(43117); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if got := open(t, path).Port(); got != 43117 {
		t.Errorf("got %d, want 43117", got)
	}
}

func TestPortThatIsNoneIsIgnored(t *testing.T) {
	d := open(t, t.TempDir())
	for _, s := range []string{"", "x", "-1", "0", "65536", "80 81"} {
		if err := os.WriteFile(d.Path("port"), []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := d.Port(); got != 0 {
			t.Errorf("%q: got %d, want 0", s, got)
		}
	}
}
