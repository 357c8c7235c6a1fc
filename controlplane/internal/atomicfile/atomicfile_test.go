package atomicfile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	// Replaced with another content and a narrower mode.
	for _, c := range []struct {
		content string
		mode    os.FileMode
	}{{"one", 0o644}, {"two", 0o600}} {
		if err := Write(path, []byte(c.content), c.mode); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil || string(b) != c.content {
			t.Errorf("got %q %v, want %q", b, err, c.content)
		}
		if info, _ := os.Stat(path); info.Mode() != c.mode {
			t.Errorf("mode: got %s, want %s", info.Mode(), c.mode)
		}
	}
}

func TestFailureLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("x"), 0o600); err == nil {
		t.Fatal("wrote over a folder")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if err := Write(filepath.Join(dir, "absent", "f"), nil, 0o600); err == nil {
		t.Error("wrote into a folder that is not there")
	}
}
