//go:build bench

package bench_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/test/bench"
	"stargate.io/stargate/test/guestimage"
)

const (
	// bootsBar is how many machines a second may be booted at the least, over the bare loop.
	bootsBar = 0.95
	// booted machines a half of a round, and idle ones.
	booted, idle = 4, 10
	// bootsEnv says, in the process that comes to have a network namespace of its own, which disk to boot.
	bootsEnv = "STARGATE_BENCH_BOOTS"
	// bootedSays is the first line that the test disks' system writes to the console: all before it is firmware's and the
	// boot loader's.
	bootedSays = "Loading, please wait"
	// idleFor the simulator is watched.
	idleFor = time.Minute
)

// bootsResult is what that process measured.
type bootsResult struct {
	Rounds []bench.Round
	// Firmware has the same for the first byte on the console, which is the firmware's: what a start itself costs.
	Firmware []bench.Round
	// CPU that the simulator took beside idle machines, in seconds a minute, and its memory.
	IdleCPU, IdleMiB float64
	// Stages of one repave, with the seconds from the request on at which each began, and at which one could log in.
	Stages []string
}

// TestBoots measures virtual machines booted a second, from the request at the DC API to the first line that the system of
// the last of four writes to its console, over a bare loop that makes their disks and starts QEMU with the same arguments.
func TestBoots(t *testing.T) {
	if disk := os.Getenv(bootsEnv); disk != "" {
		result, err := boots(disk)
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(result)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if os.Geteuid() != 0 {
		t.Skip("it makes a network namespace: run it as root")
	}
	disk := guestimage.Disk(t, "12.1")
	runtime.LockOSThread() // the child dies with the thread that made it
	defer runtime.UnlockOSThread()
	child := exec.Command("/proc/self/exe", "-test.run=^TestBoots$", "-rounds="+strconv.Itoa(*roundCount))
	child.Env = append(os.Environ(), bootsEnv+"="+disk)
	child.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var complaint bytes.Buffer
	child.Stderr = &complaint
	out, err := child.Output()
	var result bootsResult
	if err == nil {
		err = json.Unmarshal(out[bytes.IndexByte(out, '{'):], &result)
	}
	if err != nil {
		t.Fatalf("booting machines: %v\n%s", err, &complaint)
	}
	row := ratioRow("boots", bootsBar, result.Rounds)
	firmware, _, _ := bench.Interval(bench.Ratios(result.Firmware))
	row.Note = fmt.Sprintf("%d machines at once; to the firmware's first byte %.2f; with %d idle machines the simulator takes %.2f s of CPU a minute and %.0f MiB; one repave alone: %s", booted, firmware, idle,
		result.IdleCPU, result.IdleMiB, strings.Join(result.Stages, ", "))
	t.Log(row.Note)
	add(row)
}

// ratioRow of rates, of which more is better.
func ratioRow(name string, bar float64, rounds []bench.Round) bench.Row {
	median, low, high := bench.Interval(bench.Ratios(rounds))
	return bench.Row{Name: name, Value: median, Low: low, High: high, Bar: bar, Better: "higher"}
}

// bootHost is the process in the namespace: a simulator, and folders beside it.
type bootHost struct {
	dir, disk string
	simulator *exec.Cmd
	token     string
	jobs      int
}

const bootsURL = "http://127.0.0.1:8090"

func boots(disk string) (result bootsResult, err error) {
	dir, err := os.MkdirTemp("", "sgb")
	if err != nil {
		return result, err
	}
	defer os.RemoveAll(dir)
	h := &bootHost{dir: dir, disk: disk}
	if err := h.start(); err != nil {
		return result, err
	}
	defer h.end()
	if _, err := h.ours(); err != nil { // the image is got, once
		return result, err
	}
	rounds, err := strconv.Atoi(strings.TrimPrefix(os.Args[len(os.Args)-1], "-rounds="))
	if err != nil {
		return result, err
	}
	for range rounds {
		var halves [4]spoken
		for i, half := range []func() (spoken, error){h.ours, h.bare, h.bare, h.ours} {
			if halves[i], err = half(); err != nil {
				return result, err
			}
		}
		ours, bare := halves[0].and(halves[3]), halves[1].and(halves[2])
		result.Rounds = append(result.Rounds, bench.Round{Ours: 2 * booted / ours.system, Peer: 2 * booted / bare.system})
		result.Firmware = append(result.Firmware, bench.Round{Ours: 2 * booted / ours.firmware, Peer: 2 * booted / bare.firmware})
	}
	if result.Stages, err = h.stages(); err != nil {
		return result, err
	}
	result.IdleCPU, result.IdleMiB, err = h.idle()
	return result, err
}

// stages of the repave of one machine, which is one of the idle then.
func (h *bootHost) stages() (stages []string, err error) {
	began, last := time.Now(), ""
	at := func(what string) {
		stages = append(stages, fmt.Sprintf("%s at %.1f s", what, time.Since(began).Seconds()))
	}
	id, err := h.repave(0)
	if err != nil {
		return nil, err
	}
	login := false
	err = within(10*time.Minute, "the end of a repave", func() bool {
		time.Sleep(100 * time.Millisecond) // a machine without KVM needs the processors
		var job wire.Job
		if err = h.get("/jobs/"+id, &job); err != nil {
			return true
		}
		if job.Stage != last && job.Stage != "" {
			last = job.Stage
			at(last)
		}
		if console, _ := os.ReadFile(h.path(machineName(0), "console.log")); !login && bytes.Contains(console, []byte("login:")) {
			login = true
			at("login")
		}
		return job.Phase == wire.PhaseSucceeded && login || job.Phase == wire.PhaseFailed
	})
	return stages, err
}

func (h *bootHost) get(path string, into any) error {
	request, err := http.NewRequest(http.MethodGet, bootsURL+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+h.token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return json.NewDecoder(answer.Body).Decode(into)
}

func (h *bootHost) state() string           { return filepath.Join(h.dir, "sim") }
func (h *bootHost) machine(n string) string { return filepath.Join(h.state(), "machines", n) }
func machineName(i int) string              { return fmt.Sprintf("server-%03d", i) }
func (h *bootHost) path(n, f string) string { return filepath.Join(h.machine(n), f) }
func (h *bootHost) command(args ...string) *exec.Cmd {
	return exec.Command("../../bin/simulator", append([]string{"--state", h.state()}, args...)...)
}

func (h *bootHost) start() error {
	h.token = "bench"
	file := filepath.Join(h.dir, "token")
	if err := os.WriteFile(file, []byte(h.token), 0o600); err != nil {
		return err
	}
	h.simulator = h.command("--token-file", file, "--image-folder", filepath.Dir(h.disk), "--memory", "256", "--cpus", "1", "--disk", "4",
		"--bmc-port", "0", "--shutdown-patience", "1s")
	h.simulator.Stderr = os.Stderr
	if err := h.simulator.Start(); err != nil {
		return err
	}
	return within(time.Minute, "the simulator to answer", func() bool {
		answer, err := http.Get(bootsURL + "/health")
		if err == nil {
			answer.Body.Close()
		}
		return err == nil
	})
}

// end the machines, then the simulator.
func (h *bootHost) end() {
	for i := range idle {
		_ = h.command("delete", machineName(i)).Run() // of those that are not there, none is left
	}
	_ = h.simulator.Process.Signal(syscall.SIGTERM)
	_ = h.simulator.Wait()
	_ = h.command("down").Run()
}

// within waits until something is so.
func within(limit time.Duration, what string, is func() bool) error {
	for deadline := time.Now().Add(limit); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("waiting for %s: not after %s", what, limit)
		}
	}
	return nil
}

// request at the DC API, and the job that it made.
func (h *bootHost) request(path string, body any) (string, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequest(http.MethodPost, bootsURL+path, bytes.NewReader(text))
	if err != nil {
		return "", err
	}
	h.jobs++
	request.Header.Set("Authorization", "Bearer "+h.token)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", fmt.Sprintf("bench-%d", h.jobs))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	var accepted wire.JobAccepted
	if err := json.NewDecoder(answer.Body).Decode(&accepted); err != nil || answer.StatusCode >= 300 {
		return "", fmt.Errorf("POST %s: %s: %w", path, answer.Status, err)
	}
	return accepted.JobID, nil
}

func (h *bootHost) repave(i int) (string, error) {
	return h.request("/operations", wire.OperationRequest{Action: wire.ActionRepave,
		Server: wire.Server{ServerID: machineName(i), MAC: fmt.Sprintf("52:54:00:00:01:%02x", i), IPv4: fmt.Sprintf("192.168.100.%d", 20+i)},
		Image:  &wire.Image{OSVersion: "12.1", URL: "file://" + h.disk, Format: "qcow2"}})
}

// spoken is after how many seconds the last of some machines was heard: its firmware, and its system.
type spoken struct{ firmware, system float64 }

func (s spoken) and(other spoken) spoken {
	return spoken{s.firmware + other.firmware, s.system + other.system}
}

// hear waits until all machines have spoken whose consoles are given.
func hear(began time.Time, console func(machine string) string) (s spoken, err error) {
	for _, wait := range []struct {
		what  string
		said  func(console string) bool
		after *float64
	}{
		{"firmware", func(console string) bool {
			found, err := os.Stat(console)
			return err == nil && found.Size() > 0
		}, &s.firmware},
		{"system", func(console string) bool {
			text, _ := os.ReadFile(console)
			return bytes.Contains(text, []byte(bootedSays))
		}, &s.system},
	} {
		for i := range booted {
			name := machineName(i)
			if err := within(5*time.Minute, "the "+wait.what+" of "+name+" to speak", func() bool { return wait.said(console(name)) }); err != nil {
				return s, err
			}
		}
		*wait.after = time.Since(began).Seconds()
	}
	return s, nil
}

// ours boots four machines by the DC API, and gives when they spoke. They are gone then.
func (h *bootHost) ours() (spoken, error) {
	began := time.Now()
	var jobs []string
	for i := range booted {
		job, err := h.repave(i)
		if err != nil {
			return spoken{}, err
		}
		jobs = append(jobs, job)
	}
	took, err := hear(began, func(machine string) string { return h.path(machine, "console.log") })
	if err != nil {
		return took, err
	}
	if err := h.remember(); err != nil {
		return spoken{}, err
	}
	for i, job := range jobs {
		if _, err := h.request("/jobs/"+job+"/cancel", struct{}{}); err != nil {
			return spoken{}, err
		}
		if err := within(time.Minute, machineName(i)+" to be deleted", func() bool { return h.command("delete", machineName(i)).Run() == nil }); err != nil {
			return spoken{}, err
		}
	}
	return took, nil
}

// idle gives the CPU seconds a minute and the memory of a simulator with ten machines that do nothing.
func (h *bootHost) idle() (cpu, mib float64, err error) {
	for i := 1; i < idle; i++ { // the first is there
		if _, err := h.repave(i); err != nil {
			return 0, 0, err
		}
	}
	for i := range idle {
		if err := within(20*time.Minute, machineName(i)+" to be idle", func() bool {
			console, _ := os.ReadFile(h.path(machineName(i), "console.log"))
			return bytes.Contains(console, []byte("login:"))
		}); err != nil {
			return 0, 0, err
		}
	}
	before, err := h.spent()
	if err != nil {
		return 0, 0, err
	}
	time.Sleep(idleFor)
	after, err := h.spent()
	if err != nil {
		return 0, 0, err
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.simulator.Process.Pid))
	for line := range strings.Lines(string(status)) {
		if kib, of := strings.CutPrefix(line, "VmRSS:"); of {
			mib, _ = strconv.ParseFloat(strings.Fields(kib)[0], 64)
			mib /= 1024
		}
	}
	return (after - before) / idleFor.Minutes(), mib, err
}

// spent CPU seconds of the simulator's process (proc(5), fields 14 and 15, in hundredths).
func (h *bootHost) spent() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.simulator.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100, nil
}
