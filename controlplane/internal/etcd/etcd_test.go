package etcd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSocketLiesInTheData(t *testing.T) {
	dir := filepath.Join(shortTempDir(t), "etcd")
	s := &Server{}
	path, err := s.socketPath(dir)
	if err != nil || path != filepath.Join(dir, "client.sock") {
		t.Fatalf("got %s %v", path, err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v %v", info, err)
	}
}

func TestLongPathFallsBackToAPrivateFolder(t *testing.T) {
	t.Setenv("TMPDIR", shortTempDir(t))
	s := &Server{}
	path, err := s.socketPath(filepath.Join(t.TempDir(), strings.Repeat("x", maxSocketPath)))
	if err != nil {
		t.Fatal(err)
	}
	if len(path) > maxSocketPath {
		t.Errorf("%s is %d long", path, len(path))
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v %v", info, err)
	}
	s.removeSocketDir()
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Errorf("folder after the end: %v", err)
	}
}

// shortTempDir is a folder whose path does not grow with the test's name.
func shortTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
