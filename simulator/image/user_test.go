package image

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"stargate.io/stargate/test/users"
)

// asTool puts a script in the place of qemu-img, which has the real one as "$real", and a pipe to say something in as
// "$said", for it may write no file. It gives what was said since the last time.
func asTool(t *testing.T, script string) (said func() string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process as another user")
	}
	needTool(t)
	real, err := exec.LookPath(tool)
	if err != nil {
		t.Fatal(err)
	}
	// What another user starts is to be where that user can come to.
	dir, err := os.MkdirTemp("", "sgi") //nolint:usetesting // a test's own folder is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	pipe, program := filepath.Join(dir, "said"), filepath.Join(dir, tool)
	text := fmt.Sprintf("#!/bin/sh\nreal=%s\nsaid=%s\n%s\n", real, pipe, script)
	err = errors.Join(syscall.Mkfifo(pipe, 0o600), os.Chmod(pipe, 0o666), os.WriteFile(program, []byte(text), 0o600), os.Chmod(program, 0o755), os.Chmod(dir, 0o711))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	reader, err := os.OpenFile(pipe, os.O_RDWR, 0) // so that nobody waits for the other
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close() })
	return func() string {
		buffer := make([]byte, 16<<10)
		n, err := reader.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(buffer[:n]))
	}
}

// TestTheToolHasNoRights: each call is of a user of its own, which comes to nothing but what it was handed.
func TestTheToolHasNoRights(t *testing.T) {
	content := disk(t)
	s := newStore(t, Config{})
	said := asTool(t, `{ grep -E '^(Uid|Gid|Groups|NoNewPrivs|CapEff):' /proc/self/status | tr -s '\t\n' ' '; echo
ls `+s.dir+`; (echo more >&3) && echo wrote; (echo more >>/dev/fd/3) && echo wrote; } >>$said 2>/dev/null
exec $real "$@"`)
	base, err := s.Get(t.Context(), newSite(t, content).image(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if base.Digest != "sha256:"+sha(content) {
		t.Errorf("it became %s", base.Digest)
	}
	if err := s.Overlay(t.Context(), base.Digest, filepath.Join(t.TempDir(), "disk-1.qcow2"), 5<<20); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(said(), "\n")
	if len(lines) != 4 { // info, check, convert, create
		t.Fatalf("it was called, and saw of the store: %q", lines)
	}
	for _, line := range lines {
		fields := strings.Fields(line)
		id, err := strconv.ParseUint(fields[1], 10, 32)
		if err != nil || uint32(id) < users.Range().First || uint32(id) > users.Range().Last {
			t.Errorf("it ran as %q", line)
		}
		four := strings.Repeat(" "+fields[1], 4)
		if want := "Uid:" + four + " Gid:" + four + " Groups: CapEff: 0000000000000000 NoNewPrivs: 1"; strings.Join(fields, " ") != want {
			t.Errorf("it ran as %q, want %q", line, want)
		}
	}
	for _, name := range names(t, s.dir) {
		info, err := os.Stat(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if stat, _ := info.Sys().(*syscall.Stat_t); stat.Uid != 0 || stat.Gid != 0 || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is of user %d, group %d, mode %s", name, stat.Uid, stat.Gid, info.Mode())
		}
	}
}

// TestAToolThatStays with the file that it wrote makes no base: it could go on writing in it.
func TestAToolThatStays(t *testing.T) {
	content := disk(t)
	said := asTool(t, `if [ "$1" = convert ]; then sleep 60 </dev/null >/dev/null 2>&1 & echo $! >>$said; fi
exec $real "$@"`)
	s := newStore(t, Config{})
	t.Cleanup(func() {
		pid, err := strconv.Atoi(said())
		if err != nil || syscall.Kill(pid, syscall.SIGKILL) != nil {
			t.Errorf("the process that stayed is %d: %v", pid, err)
		}
	})
	refused(t, s, newSite(t, content).image(), Unsafe, "still has its file open")
	if left := names(t, s.dir); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}
