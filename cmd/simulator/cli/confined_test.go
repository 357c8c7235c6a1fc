package cli

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"stargate.io/stargate/simulator/account"
)

// confined checks what a machine's process may do, as the kernel tells, and that its user comes to no file of the state
// folder: neither another machine's secrets nor its own record.
func (r *running) confined(machine row) {
	r.t.Helper()
	status := statusOf(r, machine.PID)
	id, err := strconv.ParseUint(strings.Fields(status["Uid"])[0], 10, 32)
	if err != nil || uint32(id) < account.Default.First || uint32(id) > account.Default.Last {
		r.t.Fatalf("it runs as %q", status["Uid"])
	}
	four := strings.Join(slices.Repeat([]string{fmt.Sprint(id)}, 4), " ")
	for name, want := range map[string]string{
		"Uid": four, "Gid": four, "Groups": "", "NoNewPrivs": "1", "Seccomp": "2", "CapPrm": none, "CapEff": none, "CapInh": none, "CapAmb": none,
	} {
		if status[name] != want {
			r.t.Errorf("its %s is %q, and is to be %q", name, status[name], want)
		}
	}
	r.writes(machine)
	if err := os.Chmod(filepath.Dir(r.state), 0o711); err != nil { // as /var/lib is
		r.t.Fatal(err)
	}
	var files []string
	err = filepath.WalkDir(r.state, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if stat, _ := info.Sys().(*syscall.Stat_t); stat.Uid != 0 || stat.Gid != 0 {
			r.t.Errorf("%s is of user %d, group %d", path, stat.Uid, stat.Gid)
		}
		files = append(files, path)
		return nil
	})
	if err != nil || !slices.ContainsFunc(files, func(path string) bool { return strings.HasSuffix(path, "/machine.json") }) ||
		!slices.ContainsFunc(files, func(path string) bool { return strings.Contains(path, "/seed-") }) {
		r.t.Fatalf("in the state folder: %q, %v", files, err)
	}
	for _, path := range files {
		for _, right := range []string{"-r", "-w", "-x"} {
			test := exec.Command("test", right, path)
			test.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(id), Gid: uint32(id)}}
			if path != r.state && test.Run() == nil {
				r.t.Errorf("the machine's user has %s of %s", right, path)
			}
		}
	}
}

// none of the capabilities.
const none = "0000000000000000"

// statusOf a process, by the names of its lines.
func statusOf(r *running, pid int) map[string]string {
	r.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		r.t.Fatal(err)
	}
	status := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		status[name] = strings.Join(strings.Fields(value), " ")
	}
	return status
}

// writes checks which files of the state folder the machine's process has open for writing: those that it is to write.
func (r *running) writes(machine row) {
	r.t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", machine.PID))
	if err != nil || len(links) == 0 {
		r.t.Fatalf("its files: %q, %v", links, err)
	}
	written := map[string]bool{}
	for _, link := range links {
		path, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(path, r.state) {
			continue
		}
		if info, err := os.Lstat(link); err == nil && info.Mode()&0o200 != 0 {
			name, _, _ := strings.Cut(filepath.Base(path), "-")
			written[name] = true
		}
	}
	for _, name := range []string{"disk", "console.log", "qemu.log"} {
		if !written[name] {
			r.t.Errorf("it cannot write %s, only %v", name, written)
		}
		delete(written, name)
	}
	if len(written) > 0 {
		r.t.Errorf("it can also write %v", written)
	}
}
