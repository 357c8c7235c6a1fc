package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"stargate.io/stargate/simulator/qemu"
	"stargate.io/stargate/test/netns"
	"stargate.io/stargate/test/output"
)

// outcome of a command.
type outcome struct {
	code     int
	out, err string
}

func command(stdin io.Reader, args ...string) outcome {
	var out, errOut bytes.Buffer
	code := Main(args, stdin, &out, &errOut)
	return outcome{code, out.String(), errOut.String()}
}

func TestWrongUsage(t *testing.T) {
	for name, args := range map[string][]string{
		"no such command":  {"--state", "/nonexistent", "explode"},
		"no such flag":     {"--explode"},
		"no name":          {"console"},
		"a name too many":  {"kill", "a", "b"},
		"a bad name":       {"console", "../../etc"},
		"a bad name, hurt": {"hang", "a/b"},
		"a bad output":     {"list", "-o", "xml"},
		"a bad size":       {"--size", "web-1"},
		"a bad number":     {"--size", "web-1=two"},
		"a bad subnet":     {"--subnet", "192.168.100.0"},
		"a bad speed":      {"--accelerator", "warp"},
		"a bad user":       {"--run-as", "nobody"},
		"a bad user, ill":  {"doctor", "--run-as", "0"},
	} {
		if got := command(nil, args...); got.code != exitUsage || !strings.Contains(got.err, "error: ") || got.out != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestWithoutASimulator(t *testing.T) {
	state := t.TempDir()
	for name, test := range map[string]struct {
		args []string
		code int
		says string
	}{
		"list":         {[]string{"list"}, exitFine, "No machines yet"},
		"list as JSON": {[]string{"list", "-o", "json"}, exitFine, "does not run"},
		"kill":         {[]string{"kill", "web-1"}, exitFailed, "start it"},
		"delete":       {[]string{"delete", "web-1"}, exitFailed, "start it"},
		"console":      {[]string{"console", "web-1"}, exitFailed, "simulator list"},
		"logs":         {[]string{"logs", "web-1"}, exitFailed, "simulator list"},
	} {
		if got := command(nil, append([]string{"--state", state}, test.args...)...); got.code != test.code || !strings.Contains(got.err, test.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := command(nil, "--state", filepath.Join(state, "none"), "down"); got.code != exitFine || !strings.Contains(got.err, "nothing was done") {
		t.Errorf("down where nothing is: %+v", got)
	}
}

// running is a simulator in a process of its own.
type running struct {
	t     *testing.T
	state string
	cmd   *exec.Cmd
	ended chan struct{}
	out   output.Buffer
}

// simulate starts a simulator over a folder with an image in it that has no OS.
func simulate(t *testing.T, state string, flags ...string) *running {
	t.Helper()
	r := &running{t: t, state: state, ended: make(chan struct{})}
	r.cmd = exec.Command("/proc/self/exe", "--state", state, "--listen", "127.0.0.1:8090", "--cpus", "1", "--memory", "64", "--disk", "1",
		"--accelerator", "tcg", "--image-folder", filepath.Dir(imageOf(state)), "--boot-patience", "2s", "--shutdown-patience", "1s", "-o", "json")
	r.cmd.Args = append(r.cmd.Args, flags...)
	r.cmd.Env = append(os.Environ(), asEnv+"=yes")
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.out
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = r.cmd.Wait()
		close(r.ended)
	}()
	t.Cleanup(func() { r.end(syscall.SIGKILL) })
	r.until("it serves", func() bool {
		response, err := http.Get("http://127.0.0.1:8090/health")
		if err != nil {
			return false
		}
		return response.Body.Close() == nil && response.StatusCode == http.StatusOK
	})
	return r
}

func (r *running) end(signal syscall.Signal) {
	select {
	case <-r.ended:
		return
	default:
	}
	_ = r.cmd.Process.Signal(signal)
	<-r.ended
}

func (r *running) until(what string, so func() bool) {
	r.t.Helper()
	deadline, tick := time.After(time.Minute), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-deadline:
			r.t.Fatalf("after a minute, still not: %s\n%s", what, r.out.String())
		case <-r.ended:
			r.t.Fatalf("the simulator ended before %s:\n%s", what, r.out.String())
		case <-tick.C:
		}
	}
}

func imageOf(state string) string { return filepath.Join(filepath.Dir(state), "images", "empty.raw") }

// repave asks for a machine.
func (r *running) repave(name string) {
	r.t.Helper()
	r.post(`{"action":"repave","server":{"serverId":"` + name + `","mac":"52:54:00:00:00:01","ipv4":"192.168.100.10"},` +
		`"image":{"osVersion":"1.0","url":"file://` + imageOf(r.state) + `","format":"raw"}}`)
}

// machine gives what list says of one.
func (r *running) machine(name string) row {
	r.t.Helper()
	got := command(nil, "--state", r.state, "list", "-o", "json")
	var list struct {
		APIVersion, Kind string
		Items            []row
	}
	if err := json.Unmarshal([]byte(got.out), &list); err != nil || list.Kind != "SimulatorMachineList" {
		r.t.Fatalf("list: %v, %+v", err, got)
	}
	for _, item := range list.Items {
		if item.Name == name {
			return item
		}
	}
	return row{}
}

// stateFolder gives a state folder that is not there yet, and the folder of images beside it, which is. No machine of it
// outlives the test.
func stateFolder(t *testing.T) string {
	t.Helper()
	if !netns.Inside() {
		t.Skip("it makes a bridge and firewall rules in a network namespace of its own: run the tests as root")
	}
	for _, tool := range []string{"qemu-system-x86_64", "qemu-img"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s: apt-get install qemu-system-x86 qemu-utils", tool)
		}
	}
	dir, err := os.MkdirTemp("", "sgc") //nolint:usetesting // its path is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "s")
	t.Cleanup(func() {
		left, _ := qemu.Running(state)
		for _, p := range left {
			_ = p.Kill(context.Background())
		}
		_ = os.RemoveAll(dir)
	})
	if err := os.Mkdir(filepath.Dir(imageOf(state)), 0o700); err != nil {
		t.Fatal(err)
	}
	return state
}

// TestASimulatorByItsCommands: a machine is made, listed, read, attached to, hurt and recovered, outlives its simulator,
// and goes; the host is as it was.
func TestASimulatorByItsCommands(t *testing.T) {
	state := stateFolder(t)
	// The least that is taken for a disk that boots: a first sector that halts.
	image := append([]byte{0xf4, 0xeb, 0xfd}, make([]byte, 1<<20)...)
	image[510], image[511] = 0x55, 0xaa
	if err := os.WriteFile(imageOf(state), image, 0o600); err != nil {
		t.Fatal(err)
	}
	links := linksOf(t)
	r := simulate(t, state)
	if second := command(nil, "--state", state); second.code != exitFailed || !strings.Contains(second.err, "in use by process") {
		t.Errorf("a second simulator: %+v", second)
	}
	r.repave("web-1")
	r.until("the job has failed, since nothing is in the image", func() bool {
		return strings.Contains(r.out.String(), `"stage":"failed"`) && r.machine("web-1").Job == ""
	})
	before := r.machine("web-1")
	if !before.On || before.PID == 0 || before.Accelerator != qemu.TCG || before.BMC != "127.0.0.1:9010" {
		t.Errorf("it is %+v", before)
	}
	r.commands(before)
	r.confined(before)

	if got := command(nil, "--state", state, "kill", "web-1"); got.code != exitFine {
		t.Errorf("kill: %+v", got)
	}
	r.until("it was started again", func() bool { now := r.machine("web-1"); return now.PID != 0 && now.PID != before.PID })
	before = r.machine("web-1")

	r.end(syscall.SIGKILL)
	r = &running{t: t, state: state}
	if kept := r.machine("web-1"); kept.PID != before.PID || !strings.Contains(kept.Message, "does not run") {
		t.Errorf("without its simulator it is %+v", kept)
	}
	r = simulate(t, state)
	if after := r.machine("web-1"); after.PID != before.PID {
		t.Errorf("adopted, it is %+v, and was %+v", after, before)
	}
	r.confined(before)
	r.downs(links)
}

// commands that only look.
func (r *running) commands(machine row) {
	r.t.Helper()
	if got := command(nil, "--state", r.state, "list", "-o", "wide"); !strings.HasPrefix(got.out, "NAME ") || !strings.Contains(got.out, machine.MAC) {
		r.t.Errorf("list -o wide: %+v", got)
	}
	if got := command(nil, "--state", r.state, "logs", "web-1"); !strings.Contains(got.out, "SeaBIOS") {
		r.t.Errorf("logs: %+v", got)
	}
	// ^] leaves at once.
	if got := command(strings.NewReader("x\x1dy"), "--state", r.state, "console", "web-1"); got.code != exitFine {
		r.t.Errorf("console: %+v", got)
	}
	if got := command(nil, "--state", r.state, "hang", "web-9"); got.code != exitFailed || !strings.Contains(got.err, "no such machine") {
		r.t.Errorf("hanging none: %+v", got)
	}
}

// downs undoes all, first on paper.
func (r *running) downs(links []string) {
	r.t.Helper()
	if got := command(nil, "--state", r.state, "down"); got.code != exitFailed || !strings.Contains(got.err, "in use") {
		r.t.Errorf("down beside a simulator that runs: %+v", got)
	}
	r.end(syscall.SIGTERM)
	if code := r.cmd.ProcessState.ExitCode(); code != 0 {
		r.t.Errorf("it ends with %d: %s", code, r.out.String())
	}
	dry := command(nil, "--state", r.state, "down", "--dry-run")
	if dry.code != exitFine || !strings.Contains(dry.out, "end machine web-1") || !strings.Contains(dry.out, "stargate-br0") {
		r.t.Errorf("down --dry-run: %+v", dry)
	}
	link := filepath.Join(r.t.TempDir(), "state")
	if err := os.Symlink(r.state, link); err != nil {
		r.t.Fatal(err)
	}
	for _, said := range []string{r.state + "/", r.state + "/./", link} {
		if got := command(nil, "--state", said, "down", "--dry-run"); got.out != dry.out {
			r.t.Errorf("down --dry-run of %s: %+v; of %s it is %s", said, got, r.state, dry.out)
		}
	}
	if now := linksOf(r.t); len(now) != len(links)+2 {
		r.t.Errorf("a dry run changed the links: %q", now)
	}
	if done := command(nil, "--state", r.state, "down"); done.code != exitFine || done.out != dry.out {
		r.t.Errorf("down: %+v, and on paper %+v", done, dry)
	}
	if now := linksOf(r.t); strings.Join(now, " ") != strings.Join(links, " ") {
		r.t.Errorf("links: %q, and before %q", now, links)
	}
	if left, err := qemu.Running(r.state); err != nil || len(left) != 0 {
		r.t.Errorf("machines: %v, %v", left, err)
	}
}

func linksOf(t *testing.T) []string {
	t.Helper()
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, link := range links {
		names = append(names, link.Attrs().Name)
	}
	return names
}
