package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stargate.io/stargate/test/guestimage"
)

// TestAMachineWithAnOS: an image is repaved onto a machine, whose cloud-init comes to its end; the machine is rebooted,
// which it does by itself; its simulator is killed in between.
func TestAMachineWithAnOS(t *testing.T) {
	if testing.Short() {
		t.Skip("it boots a machine twice, which takes minutes without KVM")
	}
	state := stateFolder(t)
	image := guestimage.Disk(t, "12.1")
	link := imageOf(state)
	// The image's folder is the one that images may be in.
	if err := os.Link(image, link); err != nil {
		if text, err := os.ReadFile(image); err != nil || os.WriteFile(link, text, 0o600) != nil {
			t.Fatalf("copying the image: %v", err)
		}
	}
	flags := []string{"--memory", "512", "--disk", "3", "--boot-patience", "20m", "--shutdown-patience", "2m"}
	r := simulate(t, state, flags...)
	job := r.post(`{"action":"repave","server":{"serverId":"web-1","mac":"52:54:00:00:00:01","ipv4":"192.168.100.10"},` +
		`"image":{"osVersion":"12.1","url":"file://` + link + `","format":"qcow2"}}`)
	r.awaits(job, 15*time.Minute)
	first := r.machine("web-1")
	if first.OSVersion != "12.1" || strings.Join(first.Addresses, " ") != "192.168.100.10" || !first.On {
		t.Errorf("it is %+v", first)
	}
	r.end(9)
	r = simulate(t, state, flags...)
	job = r.post(`{"action":"reboot","server":{"serverId":"web-1","mac":"52:54:00:00:00:01","ipv4":"192.168.100.10"}}`)
	r.awaits(job, 15*time.Minute)
	second := r.machine("web-1")
	if second.PID == first.PID || second.OSVersion != "12.1" || second.Condition != "Healthy" {
		t.Errorf("rebooted, it is %+v", second)
	}
	if strings.Contains(r.out.String(), "was reset") {
		t.Errorf("it did not shut down by itself:\n%s", r.out.String())
	}
	log := command(nil, "--state", state, "logs", "web-1").out
	if boots := strings.Count(log, "finished at"); boots != 2 { // which its cloud-init says
		t.Errorf("its console tells of %d boots:\n%s", boots, log)
	}
	r.end(15)
	if got := command(nil, "--state", state, "down"); got.code != exitFine {
		t.Errorf("down: %+v", got)
	}
}

// awaits the end of a job.
func (r *running) awaits(job string, limit time.Duration) {
	r.t.Helper()
	deadline, tick := time.After(limit), time.NewTicker(500*time.Millisecond)
	defer tick.Stop()
	for {
		status, text := r.ask(http.MethodGet, "/jobs/"+job, "")
		var view struct{ Phase string }
		if err := json.Unmarshal(text, &view); err != nil || status != http.StatusOK {
			r.t.Fatalf("asking for job %s: %d, %s", job, status, text)
		}
		switch view.Phase {
		case "succeeded":
			return
		case "failed":
			r.t.Fatalf("job %s: %s\n%s", job, text, r.out.String())
		}
		select {
		case <-deadline:
			r.t.Fatalf("after %s job %s has not ended: %s\n%s", limit, job, text, r.out.String())
		case <-tick.C:
		}
	}
}

// ask the DC API something, as a Stargate would.
func (r *running) ask(method, path, body string) (int, []byte) {
	r.t.Helper()
	token, err := os.ReadFile(filepath.Join(r.state, "dc-token"))
	if err != nil {
		r.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(r.t.Context(), method, "http://127.0.0.1:8090"+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	if method == http.MethodPost {
		request.Header.Set("Idempotency-Key", time.Now().Format(time.RFC3339Nano))
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, text
}

// post a job, and give its id.
func (r *running) post(body string) string {
	r.t.Helper()
	status, text := r.ask(http.MethodPost, "/operations", body)
	var accepted struct {
		JobID string `json:"jobId"`
	}
	if err := json.Unmarshal(text, &accepted); err != nil || status != http.StatusAccepted {
		r.t.Fatalf("a job is answered %d: %s", status, text)
	}
	return accepted.JobID
}
