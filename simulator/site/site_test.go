package site_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/site"
)

// call asks the site itself, past the faults.
func (d *datacenter) call(method, path string, body any, headers ...string) (int, http.Header, string) {
	d.Helper()
	text, isText := body.(string)
	if !isText && body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			d.Fatal(err)
		}
		text = string(encoded)
	}
	request := httptest.NewRequestWithContext(d.Context(), method, path, strings.NewReader(text))
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	d.site.Load().ServeHTTP(answer, request)
	if got := answer.Header().Get("Content-Type"); got != "application/json" {
		d.Errorf("%s %s answers %s", method, path, got)
	}
	return answer.Code, answer.Header(), answer.Body.String()
}

func (d *datacenter) start(key string, operation wire.OperationRequest) (int, string) {
	d.Helper()
	status, _, body := d.call(http.MethodPost, "/operations", operation, "Idempotency-Key", key)
	return status, body
}

// want fails unless an answer has a status and a code.
func (d *datacenter) want(what string, status int, body string, wantStatus int, code wire.ErrorCode) {
	d.Helper()
	var refused wire.Error
	if err := json.Unmarshal([]byte(body), &refused); err != nil || status != wantStatus || refused.Code != code || refused.Message == "" {
		d.Errorf("%s: got %d %s, want %d %s", what, status, body, wantStatus, code)
	}
}

// repave of the n-th machine.
func repave(n int) wire.OperationRequest {
	return wire.OperationRequest{
		Action: wire.ActionRepave,
		Server: wire.Server{ServerID: fmt.Sprintf("server-%03d", n), UID: fmt.Sprintf("uid-%03d", n), MAC: fmt.Sprintf("aa:bb:cc:dd:ee:%02x", n), IPv4: fmt.Sprintf("10.0.0.%d", n+1)},
		Image:  &wire.Image{OSVersion: "24.04", ProfileHash: "hash-1"},
	}
}

func TestToken(t *testing.T) {
	s, err := site.Open(site.Config{Folder: t.TempDir(), Machines: newPark(), Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for token, want := range map[string]int{"": 401, "Bearer secre": 401, "Bearer secret2": 401, "secret": 401, "Bearer secret": 200} {
		for _, path := range []string{"/capabilities", "/health"} {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			request.Header.Set("Authorization", token)
			answer := httptest.NewRecorder()
			s.ServeHTTP(answer, request)
			if open := path == "/health"; answer.Code != want && (!open || answer.Code != 200) {
				t.Errorf("%s with %q: %d", path, token, answer.Code)
			}
		}
	}
}

// TestHostile: what cannot be is refused with what, where and how to mend it, and makes nothing.
func TestHostile(t *testing.T) {
	d := newDatacenter(t)
	outside := census(t, filepath.Dir(d.dir), d.dir)
	for what, spoil := range map[string]func(*wire.OperationRequest){
		"no name":            func(o *wire.OperationRequest) { o.Server.ServerID = "" },
		"a slash":            func(o *wire.OperationRequest) { o.Server.ServerID = "a/b" },
		"dots":               func(o *wire.OperationRequest) { o.Server.ServerID = ".." },
		"dots and slashes":   func(o *wire.OperationRequest) { o.Server.ServerID = "../../etc/cron.d/a" },
		"an absolute path":   func(o *wire.OperationRequest) { o.Server.ServerID = "/etc/passwd" },
		"a comma":            func(o *wire.OperationRequest) { o.Server.ServerID = "a,file=/etc/passwd" },
		"a quote":            func(o *wire.OperationRequest) { o.Server.ServerID = `a"b'c` },
		"a newline":          func(o *wire.OperationRequest) { o.Server.ServerID = "a\nb" },
		"a NUL":              func(o *wire.OperationRequest) { o.Server.ServerID = "a\x00b" },
		"a leading dash":     func(o *wire.OperationRequest) { o.Server.ServerID = "-enable-kvm" },
		"a shell":            func(o *wire.OperationRequest) { o.Server.ServerID = "$(reboot)" },
		"capitals":           func(o *wire.OperationRequest) { o.Server.ServerID = "Server" },
		"300 characters":     func(o *wire.OperationRequest) { o.Server.ServerID = strings.Repeat("a", 300) },
		"a long UID":         func(o *wire.OperationRequest) { o.Server.UID = strings.Repeat("a", 300) },
		"no MAC":             func(o *wire.OperationRequest) { o.Server.MAC = "aa:bb:cc" },
		"a MAC with a comma": func(o *wire.OperationRequest) { o.Server.MAC = "aa:bb:cc:dd:ee:01,script=/bin/sh" },
		"everybody's MAC":    func(o *wire.OperationRequest) { o.Server.MAC = "ff:ff:ff:ff:ff:ff" },
		"an InfiniBand address": func(o *wire.OperationRequest) {
			o.Server.MAC = "00:00:00:00:fe:80:00:00:00:00:00:00:02:00:5e:10:00:00:00:01"
		},
		"no address":           func(o *wire.OperationRequest) { o.Server.IPv4 = "10.0.0" },
		"IPv6":                 func(o *wire.OperationRequest) { o.Server.IPv4 = "::1" },
		"an address with more": func(o *wire.OperationRequest) { o.Server.IPv4 = "10.0.0.1/24; rm -rf /" },
		"an unknown action":    func(o *wire.OperationRequest) { o.Action = "dance\n" },
		"no image":             func(o *wire.OperationRequest) { o.Image = nil },
		"no version":           func(o *wire.OperationRequest) { o.Image.OSVersion = "" },
		"a long version":       func(o *wire.OperationRequest) { o.Image.OSVersion = strings.Repeat("9", 300) },
		"a long hash":          func(o *wire.OperationRequest) { o.Image.ProfileHash = strings.Repeat("9", 300) },
		"a long URL":           func(o *wire.OperationRequest) { o.Image.URL = "http://a/" + strings.Repeat("9", 5000) },
	} {
		operation := repave(0)
		spoil(&operation)
		status, body := d.start("hostile-"+strings.ReplaceAll(what, " ", "-"), operation)
		d.want(what, status, body, http.StatusBadRequest, wire.CodeBadRequest)
		if len(body) > 600 {
			t.Errorf("%s: the answer is %d bytes long", what, len(body))
		}
	}
	for what, body := range map[string]string{
		"no JSON": "{", "nothing": "", "a list": "[]", "two documents": "{}{}", "a deep one": strings.Repeat(`{"a":`, 20000),
		"9 MB": `{"action":"` + strings.Repeat("a", 9<<20) + `"}`, "a negative number": `{"action":"inspect","server":{"serverId":"a"},"timeoutSeconds":"-"}`,
	} {
		status, _, answer := d.call(http.MethodPost, "/operations", body, "Idempotency-Key", "hostile")
		d.want(what, status, answer, http.StatusBadRequest, wire.CodeBadRequest)
	}
	for what, key := range map[string]string{"no key": "", "a long key": strings.Repeat("k", 257)} {
		status, body := d.start(key, repave(0))
		d.want(what, status, body, http.StatusBadRequest, wire.CodeBadRequest)
		for _, call := range [][2]string{{http.MethodGet, "/jobs?requestId="}, {http.MethodPost, "/jobs/cancel?requestId="}} {
			status, _, body := d.call(call[0], call[1]+key, nil)
			d.want(what, status, body, http.StatusBadRequest, wire.CodeBadRequest)
		}
	}
	for _, path := range []string{"/jobs/..%2f..%2fetc%2fpasswd", "/jobs/" + strings.Repeat("a", 10000), "/jobs/%00"} {
		status, _, body := d.call(http.MethodGet, path, nil)
		d.want(path[:min(20, len(path))], status, body, http.StatusNotFound, wire.CodeJobNotFound)
	}
	if made := d.record(); len(made) > 0 || len(d.park.List()) > 0 {
		t.Errorf("jobs were made: %+v", made)
	}
	if now := census(t, filepath.Dir(d.dir), d.dir); now != outside {
		t.Errorf("outside the folder there is %q, was %q", now, outside)
	}
	d.wantFiles("journal", "lock")
}

// census names what is in a folder but for one part of it.
func census(t *testing.T, folder, but string) string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if path == but {
			return filepath.SkipDir
		}
		names = append(names, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, "\n")
}

func (d *datacenter) wantFiles(want ...string) {
	d.Helper()
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		d.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		d.Errorf("in the folder there is %v, want %v", names, want)
	}
}

// TestLargeDocuments: a megabyte of user data comes through a restart whole, and is shown to nobody.
func TestLargeDocuments(t *testing.T) {
	d := newDatacenter(t)
	operation := repave(0)
	operation.Image.UserData = bytes.Repeat([]byte("canary: [\n"), 1<<20/10)
	status, body := d.start("large-1", operation)
	if status != http.StatusAccepted {
		t.Fatalf("got %d %s", status, body)
	}
	d.restart()
	if again, answer := d.start("large-1", operation); again != http.StatusAccepted || answer != body {
		t.Errorf("after a restart: %d %s, was %s", again, answer, body)
	}
	d.finish()
	for _, path := range []string{"/jobs?requestId=large-1", "/health"} {
		if _, _, answer := d.call(http.MethodGet, path, nil); strings.Contains(answer, "canary") {
			t.Errorf("%s shows it", path)
		}
	}
	if d.park.done[d.record()[0].JobID] != 1 {
		t.Errorf("it was done %d times", d.park.done[d.record()[0].JobID])
	}
}

// checked is a park that can tell before.
type checked struct {
	*park
	unfit error
}

// Check implements simulator.Checker.
func (c checked) Check(simulator.Job) error { return c.unfit }

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		reason simulator.Reason
		status int
		code   wire.ErrorCode
		retry  bool
	}{
		{simulator.ReasonBadRequest, http.StatusBadRequest, wire.CodeBadRequest, false},
		{simulator.ReasonIdentityMismatch, http.StatusConflict, wire.CodeIdentityMismatch, false},
		{simulator.ReasonServerBusy, http.StatusConflict, wire.CodeServerBusy, true},
		{simulator.ReasonHostLimits, http.StatusServiceUnavailable, wire.CodeUnavailable, true},
	} {
		t.Run(string(c.reason), func(t *testing.T) {
			d := newDatacenter(t)
			refusal := simulator.Refuse(c.reason, "because of %s", c.reason)
			// Told before: refused, and no job made.
			before, err := site.Open(site.Config{Folder: t.TempDir(), Machines: checked{d.park, refusal}})
			if err != nil {
				t.Fatal(err)
			}
			was := d.site.Swap(before)
			status, header, body := d.call(http.MethodPost, "/operations", repave(0), "Idempotency-Key", "refused-1")
			d.want("told before", status, body, c.status, c.code)
			if got := header.Get("Retry-After") != ""; got != c.retry {
				t.Errorf("Retry-After is there: %v", got)
			}
			d.site.Store(was)
			if err := before.Close(); err != nil {
				t.Fatal(err)
			}
			// Told as it is to be done: a job that failed and touched nothing.
			d.park.refuse = refusal
			if status, body := d.start("refused-2", repave(0)); status != http.StatusAccepted {
				t.Fatalf("got %d %s", status, body)
			}
			d.eventually("the job has ended", func() bool { return len(d.live()) == 0 })
			job := d.job(d.record()[0].JobID)
			if job.Phase != wire.PhaseFailed || !job.Untouched || !strings.Contains(job.Message, "because of") || job.Facts != nil {
				t.Errorf("got %+v", job)
			}
		})
	}
}

// TestWaitsForAMoment: a machine that somebody has for a moment makes no accepted job fail, nor does one whose end could not
// be kept for a moment.
func TestWaitsForAMoment(t *testing.T) {
	for name, err := range map[string]error{
		"somebody has it": simulator.Refuse(simulator.ReasonServerBusy, "its management controller has it"), "its end is not kept": fmt.Errorf("%w: the disk is full", simulator.ErrUnkept),
	} {
		t.Run(name, func(t *testing.T) { waitsWhile(t, err) })
	}
}

func waitsWhile(t *testing.T, wrong error) {
	t.Helper()
	park := newPark()
	s, err := site.Open(site.Config{Folder: t.TempDir(), Machines: park, Patience: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	d := &datacenter{T: t, park: park}
	d.site.Store(s)
	defer d.close()
	busy := func(err error) { park.mu.Lock(); park.refuse = err; park.mu.Unlock() }
	busy(wrong)
	if status, body := d.start("moment-1", repave(0)); status != http.StatusAccepted {
		t.Fatalf("got %d %s", status, body)
	}
	id := d.record()[0].JobID
	d.eventually("it says for what it waits", func() bool { return strings.Contains(d.job(id).Message, wrong.Error()) })
	if phase := d.job(id).Phase; phase != wire.PhasePending {
		t.Errorf("it is %s", phase)
	}
	busy(nil)
	d.finish()
	if job := d.job(id); job.Phase != wire.PhaseSucceeded {
		t.Errorf("got %+v", job)
	}
}

// TestCancelOutlivesARestart: a job that was being cancelled when the simulator was killed is, when it comes back.
func TestCancelOutlivesARestart(t *testing.T) {
	d := newDatacenter(t)
	if status, body := d.start("cancel-1", repave(0)); status != http.StatusAccepted {
		t.Fatalf("got %d %s", status, body)
	}
	id := d.record()[0].JobID
	// As the simulator leaves it when it is killed between the answer and the end: the journal says cancelled, and no more.
	d.close()
	journal := filepath.Join(d.dir, "journal")
	text, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	d.open()
	if status, _, body := d.call(http.MethodPost, "/jobs/"+id+"/cancel", nil); status != http.StatusAccepted {
		t.Fatalf("got %d %s", status, body)
	}
	d.eventually("the job has ended", func() bool { return len(d.live()) == 0 })
	d.close()
	whole, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	cancelled := whole[:len(text)+bytes.IndexByte(whole[len(text):], '\n')+1]
	if !bytes.Contains(cancelled[len(text):], []byte(`"cancelled"`)) {
		t.Fatalf("the journal goes on with %s", cancelled[len(text):])
	}
	if err := os.WriteFile(journal, cancelled, 0o600); err != nil {
		t.Fatal(err)
	}
	d.open()
	d.eventually("the job has ended", func() bool { return len(d.live()) == 0 })
	if job := d.job(id); job.Phase != wire.PhaseCancelled {
		t.Errorf("got %+v", job)
	}
}

// TestServe: on the network and off it; a job that is live then stays so.
func TestServe(t *testing.T) {
	folder, machines := t.TempDir(), newPark()
	s, err := site.Open(site.Config{Folder: folder, Machines: machines})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	driver := driverOf(t, "http://"+listener.Addr().String())
	if can, err := driver.Probe(t.Context()); err != nil || can.Version != "v2" || !can.Idempotent || !can.Cancel || !can.ChecksIdentity || !can.ReportsApplied || len(can.Actions) != 5 {
		t.Errorf("it can %+v, %v", can, err)
	}
	if _, ok := startAt(t, "http://"+listener.Addr().String(), "serve-1", 0); !ok {
		t.Error("a job is not accepted")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	again, err := site.Open(site.Config{Folder: folder, Machines: machines})
	if err != nil {
		t.Fatal(err)
	}
	if record := again.Record(); len(record) != 1 || !record[0].Live || record[0].Action != simulator.Reboot {
		t.Errorf("after a restart there is %+v", record)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}
