package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stargate.io/stargate/cmd/mockdc/site"
)

// TestMain lets the test binary be mockdc itself.
func TestMain(m *testing.M) {
	if os.Getenv("MOCKDC_CHILD") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// child is a running mockdc.
type child struct {
	*testing.T
	command *exec.Cmd
	url     string
}

func run(t *testing.T, arguments ...string) *child {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], append([]string{"--listen", "127.0.0.1:0"}, arguments...)...)
	command.Env = append(os.Environ(), "MOCKDC_CHILD=1", "DC_NAME=dc-test")
	output, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	_, rest, found := strings.Cut(line, " on ")
	url, _, _ := strings.Cut(rest, ",")
	if err != nil || !found || !strings.Contains(line, "dc-test") {
		t.Fatalf("mockdc says %q: %v", line, err)
	}
	c := &child{T: t, command: command, url: url}
	t.Cleanup(c.kill)
	return c
}

// kill ends the process as a crash would.
func (c *child) kill() {
	_ = c.command.Process.Kill() // it may have ended already
	_ = c.command.Wait()
}

// send asks for one job, and gives its id, "" without an answer.
func (c *child) send(id string) string {
	body := fmt.Sprintf(`{"action":"repave","server":{"serverId":"server-%s"},"image":{"osVersion":"24.04"}}`, id)
	request, err := http.NewRequestWithContext(c.Context(), http.MethodPost, c.url+"/operations", strings.NewReader(body))
	if err != nil {
		c.Error(err)
		return ""
	}
	request.Header.Set("Idempotency-Key", id)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	var accepted struct{ JobID string }
	if json.NewDecoder(response.Body).Decode(&accepted) != nil {
		return ""
	}
	return accepted.JobID
}

func (c *child) record() []site.Event {
	c.Helper()
	request, err := http.NewRequestWithContext(c.Context(), http.MethodGet, c.url+"/admin/record", nil)
	if err != nil {
		c.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.Fatal(err)
	}
	defer response.Body.Close()
	var document site.RecordDocument
	if err := json.NewDecoder(response.Body).Decode(&document); err != nil {
		c.Fatal(err)
	}
	return document.Events
}

// TestKilledAgainAndAgain sends sixty ids to a site that is killed in the middle, each until it is answered: what was
// answered is there again, and no id made two jobs.
func TestKilledAgainAndAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	var mu sync.Mutex
	answered := map[string]string{}
	for round := range 6 {
		dc := run(t, "--data", dir, "--duration", "50ms")
		killAfter := 5 + 7*round
		var all sync.WaitGroup
		count := 0
		for i := range 60 {
			all.Go(func() {
				id := fmt.Sprint("r", i)
				job := dc.send(id)
				mu.Lock()
				defer mu.Unlock()
				if earlier := answered[id]; job != "" && earlier != "" && earlier != job {
					t.Errorf("%s was job %s and is job %s", id, earlier, job)
				}
				if job != "" {
					answered[id] = job
					if count++; count == killAfter && round < 5 {
						_ = dc.command.Process.Kill()
					}
				}
			})
		}
		all.Wait()
		dc.kill()
	}
	judge(t, run(t, "--data", dir, "--duration", "50ms"), answered)
}

// judge waits for all jobs to end, and holds the record to one job an id, and to what was answered.
func judge(t *testing.T, dc *child, answered map[string]string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		made, ended := map[string]string{}, 0
		for _, event := range dc.record() {
			switch event.Kind {
			case site.Accepted:
				if made[event.RequestID] != "" {
					t.Fatalf("%s made %s and %s", event.RequestID, made[event.RequestID], event.JobID)
				}
				made[event.RequestID] = event.JobID
			case site.Ended:
				ended++
			default:
			}
		}
		for id, job := range answered {
			if made[id] != job {
				t.Fatalf("%s was answered with %q, and on record is %q", id, job, made[id])
			}
		}
		if ended == len(made) && len(made) == 60 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d ids made a job, %d ended", len(made), ended)
		}
	}
}

// TestServesWhatItIsTold: version, faults and token come through from the command line.
func TestServesWhatItIsTold(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dc := run(t, "--api", "v1", "--fault", "kind=status,status=418,path=/health,count=1", "--token-file", token)
	for i, step := range []struct {
		path, token string
		want        int
	}{{"/health", "", 418}, {"/health", "", 200}, {"/jobs/x", "", 401}, {"/jobs/x", "secret", 404}, {"/capabilities", "secret", 404}} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, dc.url+step.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+step.token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != step.want {
			t.Errorf("step %d: %s answers %d, want %d", i+1, step.path, response.StatusCode, step.want)
		}
	}
}
