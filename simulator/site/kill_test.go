package site_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/dcapi"
	"stargate.io/stargate/simulator/site"
)

// childFolder makes this test's binary a simulator's face over that folder, until it is killed. childDisk gives it a disk
// of its own there, of that many bytes.
const (
	childFolder = "STARGATE_TEST_SITE_FOLDER"
	childDisk   = "STARGATE_TEST_SITE_DISK"
)

func TestMain(m *testing.M) {
	if folder := os.Getenv(childFolder); folder != "" {
		if err := serveChild(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serveChild(folder string) error {
	if size := os.Getenv(childDisk); size != "" {
		if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size="+size); err != nil {
			return fmt.Errorf("giving it a small disk: %w", err)
		}
	}
	s, err := site.Open(site.Config{Folder: folder, Machines: newPark()})
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	return s.Serve(context.Background(), listener)
}

// child starts a face as a process of its own, and gives its address and what kills it.
func child(t *testing.T, folder string) (url string, kill func()) {
	t.Helper()
	url, _, kill = run(t, exec.Command(self(t)), folder)
	return url, kill
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func run(t *testing.T, cmd *exec.Cmd, folder string) (url string, pid int, kill func()) {
	t.Helper()
	cmd.Env = append(append(os.Environ(), cmd.Env...), childFolder+"="+folder)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the face does not come up: %v", err)
	}
	return strings.TrimSpace(line), cmd.Process.Pid, kill
}

// TestKilled: whatever it was doing when it was killed, what it answered for is there again, and nothing twice.
func TestKilled(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "jobs")
	answered := map[string]string{} // request id → job id
	var mu sync.Mutex
	const rounds, each = 6, 12
	for round := range rounds {
		url, kill := child(t, folder)
		var all sync.WaitGroup
		for n := range each {
			all.Go(func() {
				id := fmt.Sprintf("killed-%d-%d", round, n)
				if job, ok := startAt(t, url, id, round*each+n); ok {
					mu.Lock()
					answered[id] = job
					mu.Unlock()
				}
			})
		}
		timer := time.AfterFunc(rand.N(60*time.Millisecond), kill)
		all.Wait()
		timer.Stop()
		kill()
	}
	url, _ := child(t, folder)
	driver := driverOf(t, url)
	jobs := map[string]bool{}
	for id, want := range answered {
		job, found, err := driver.Find(t.Context(), id)
		if err != nil || !found || job.JobID != want {
			t.Errorf("%s was answered with %s, and is %+v, %v, %v", id, want, job, found, err)
		}
		if jobs[job.JobID] {
			t.Errorf("%s is the job of two requests", job.JobID)
		}
		jobs[job.JobID] = true
	}
	if len(answered) == 0 {
		t.Error("the face was killed before it answered anything, each time: nothing was tried")
	}
	t.Logf("%d of %d requests were answered before the face was killed", len(answered), rounds*each)
}

// TestDiskFull: while the disk is full nothing is accepted, and that is said; afterwards it goes on.
func TestDiskFull(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	folder := t.TempDir()
	cmd := exec.Command(self(t))
	cmd.Env = []string{childDisk + "=65536"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	url, pid, _ := run(t, cmd, folder)
	driver := driverOf(t, url)
	request := func(n int) drivers.Request {
		return drivers.Request{ID: fmt.Sprint("full-", n), Action: drivers.Reboot, Server: drivers.Identity{Name: fmt.Sprint("server-", n)}}
	}
	first, err := driver.Start(t.Context(), request(1))
	if err != nil {
		t.Fatal(err)
	}
	filler := fmt.Sprintf("/proc/%d/root%s/filler", pid, folder)
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("filling the disk: %v", err)
	}
	// The journal's last page may have room for some.
	untilRefused := func(what string, do func(n int) error) int {
		for n := 2; n < 100; n++ {
			switch err := do(n); drivers.KindOf(err) {
			case drivers.Transient:
				if !strings.Contains(err.Error(), "no space left") {
					t.Errorf("%s while the disk is full: %v", what, err)
				}
				return n
			case drivers.NotFound:
			default:
				if err != nil {
					t.Fatalf("%s while the disk is full: %v", what, err)
				}
			}
		}
		t.Fatalf("%s while the disk is full goes on for ever", what)
		return 0
	}
	n := untilRefused("starting", func(n int) error { _, err := driver.Start(t.Context(), request(n)); return err })
	untilRefused("voiding", func(n int) error {
		return driver.Cancel(t.Context(), drivers.JobRef{RequestID: fmt.Sprint("void-", n)})
	})
	if status, err := driver.Status(t.Context(), first); err != nil || status.Phase.Terminal() {
		t.Errorf("a job from before: %+v, %v", status, err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if _, found, err := driver.Find(t.Context(), request(n).ID); found || err != nil {
		t.Errorf("what was refused is there: %v, %v", found, err)
	}
	if _, err := driver.Start(t.Context(), request(n)); err != nil {
		t.Errorf("once there is room again: %v", err)
	}
}

func driverOf(t *testing.T, url string) *dcapi.Driver {
	t.Helper()
	driver, err := dcapi.New(dcapi.Config{Endpoint: url, Name: "dc-simulator/simulator", Timeout: 10 * time.Second, Backoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(driver.Close)
	return driver
}

// startAt asks once, as plainly as can be, for a reboot of a machine, and gives the job that it is answered with.
func startAt(t *testing.T, url, id string, n int) (string, bool) {
	t.Helper()
	body := fmt.Sprintf(`{"action":"reboot","server":{"serverId":"server-%03d"}}`, n)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/operations", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return "", false
	}
	request.Header.Set("Idempotency-Key", id)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return "", false // killed first
	}
	defer response.Body.Close()
	var accepted drivers.JobRef
	text, err := bufio.NewReader(response.Body).ReadString('\n')
	if err != nil || response.StatusCode != http.StatusAccepted {
		return "", false
	}
	if _, err := fmt.Sscanf(text, `{"jobId":%q`, &accepted.JobID); err != nil {
		t.Errorf("the answer is %q: %v", text, err)
		return "", false
	}
	return accepted.JobID, true
}
