package site_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stargate.io/stargate/cmd/mockdc/site"
)

var dawn = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// bench is a site with its clock, asked through the handler.
type bench struct {
	*testing.T
	*site.Site
	clock *site.ManualClock
}

func newBench(t *testing.T, config site.Config) *bench {
	t.Helper()
	b := &bench{T: t, clock: site.NewManualClock(dawn)}
	config.Clock = b.clock
	b.Site = site.New(config)
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// do makes a request and gives "status jobId|code".
func (b *bench) do(method, path, key, body string) string {
	b.Helper()
	request := httptest.NewRequestWithContext(b.Context(), method, path, strings.NewReader(body))
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response := httptest.NewRecorder()
	b.ServeHTTP(response, request)
	var said struct{ JobID, Code, Phase, Stage string }
	if err := json.Unmarshal(response.Body.Bytes(), &said); err != nil {
		return fmt.Sprint(response.Code)
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", response.Code, said.Code+said.Phase))
}

func (b *bench) jobID(n int) string {
	b.Helper()
	for _, event := range b.Record() {
		if event.Kind == site.Accepted {
			if n--; n == 0 {
				return event.JobID
			}
		}
	}
	b.Fatalf("there is no such job on record")
	return ""
}

func repave(server int, hash string) string {
	return fmt.Sprintf(`{"action":"repave","server":{"serverId":"s%d","uid":"u%d","mac":"aa:00:00:00:00:%02x","bmc":"b%d"},`+
		`"image":{"osVersion":"24.04","profileHash":"%s"},"onlyIfNeeded":true}`, server, server, server, server, hash)
}

// story gives the record as lines: "accepted s1 r1".
func story(events []site.Event) []string {
	lines := make([]string, 0, len(events))
	for _, event := range events {
		if event.Kind != site.Received {
			lines = append(lines, strings.Join(strings.Fields(fmt.Sprint(event.Kind, " ", event.ServerID, " ", event.RequestID, " ", event.Phase, event.Code)), " "))
		}
	}
	return lines
}

// TestStories are lives of jobs as their record tells them.
func TestStories(t *testing.T) {
	type step struct {
		method, path, key, body string // path "/jobs/N…" is the N-th job
		wait                    time.Duration
		want                    string
	}
	post := func(key, body, want string) step {
		return step{method: "POST", path: "/operations", key: key, body: body, want: want}
	}
	get := func(path, want string) step { return step{method: "GET", path: path, want: want} }
	cancel := func(path, want string) step { return step{method: "POST", path: path, want: want} }
	wait := func(d time.Duration) step { return step{wait: d} }
	for _, c := range []struct {
		name   string
		config site.Config
		steps  []step
		record []string
	}{
		{"a repave, told twice", site.Config{}, []step{
			post("r1", repave(1, "h"), "202"), get("/jobs/1", "200 pending"), wait(time.Second), get("/jobs/1", "200 running"),
			post("r1", repave(1, "h"), "202"), wait(time.Minute), get("/jobs/1", "200 succeeded"), post("r1", repave(1, "h"), "202"),
		}, []string{"accepted s1 r1", "began s1 r1", "replayed s1 r1", "ended s1 r1 succeeded", "replayed s1 r1"}},
		{"one key, two bodies", site.Config{}, []step{
			post("r1", repave(1, "h"), "202"), post("r1", repave(1, "other"), "422 key_reused"), post("r1", repave(2, "h"), "422 key_reused"),
		}, []string{"accepted s1 r1", "refused s1 r1 key_reused", "refused s2 r1 key_reused"}},
		{"two jobs for one server", site.Config{}, []step{
			post("r1", repave(1, "h"), "202"), post("r2", repave(1, "h"), "409 server_busy"), wait(time.Minute), post("r2", repave(1, "h2"), "202"),
		}, []string{"accepted s1 r1", "refused s1 r2 server_busy", "began s1 r1", "ended s1 r1 succeeded", "accepted s1 r2"}},
		{"only if needed", site.Config{}, []step{
			post("r1", repave(1, "h"), "202"), wait(time.Minute), post("r2", repave(1, "h"), "202"), get("/jobs/2", "200 succeeded"),
		}, []string{"accepted s1 r1", "began s1 r1", "ended s1 r1 succeeded", "accepted s1 r2", "ended s1 r2 succeeded"}},
		{"void, then send", site.Config{}, []step{
			cancel("/jobs/cancel?requestId=r1", "404 job_not_found"), cancel("/jobs/cancel?requestId=r1", "404 job_not_found"), post("r1", repave(1, "h"), "409 request_voided"),
		}, []string{"voided r1", "refused s1 r1 request_voided"}},
		{"send, then void", site.Config{}, []step{
			post("r1", repave(1, "h"), "202"), cancel("/jobs/cancel?requestId=r1", "202 cancelled"), post("r1", repave(1, "h"), "202"),
		}, []string{"accepted s1 r1", "cancelled s1 r1", "ended s1 r1 cancelled", "replayed s1 r1"}},
		{"cancel in mid-job, twice", site.Config{}, []step{
			post("r1", repave(1, "h"), "202"), wait(time.Second), cancel("/jobs/1/cancel", "202 running"), cancel("/jobs/1/cancel", "202 running"),
			wait(5 * time.Second), get("/jobs/1", "200 cancelled"), cancel("/jobs/1/cancel", "202 cancelled"),
		}, []string{"accepted s1 r1", "began s1 r1", "cancelled s1 r1", "ended s1 r1 cancelled"}},
		{"another machine", site.Config{}, []step{
			post("r1", repave(1, "h"), "202"), wait(time.Minute),
			post("r2", strings.Replace(repave(1, "h"), "aa:00", "bb:00", 1), "409 identity_mismatch"),
			post("r3", strings.Replace(repave(2, "h"), "00:02", "00:01", 1), "409 identity_mismatch"),
			post("r4", strings.Replace(repave(1, "h"), `"u1"`, `"u9"`, 1), "409 identity_mismatch"),
		}, []string{"accepted s1 r1", "began s1 r1", "ended s1 r1 succeeded", "refused s1 r2 identity_mismatch", "refused s2 r3 identity_mismatch", "refused s1 r4 identity_mismatch"}},
		{"the same machine made anew, loosely", site.Config{LooseUID: true}, []step{
			post("r1", repave(1, "h"), "202"), wait(time.Minute), post("r4", strings.Replace(repave(1, "h2"), `"u1"`, `"u9"`, 1), "202"),
		}, []string{"accepted s1 r1", "began s1 r1", "ended s1 r1 succeeded", "accepted s1 r4"}},
		{"a job that fails", site.Config{Faults: []site.Fault{{Kind: site.FailJob, Stage: "install", Count: 1}}}, []step{
			post("r1", repave(1, "h"), "202"), wait(15 * time.Second), get("/jobs/1", "200 running"), wait(time.Second), get("/jobs/1", "200 failed"),
		}, []string{"accepted s1 r1", "began s1 r1", "ended s1 r1 failed"}},
		{"a job that hangs", site.Config{Faults: []site.Fault{{Kind: site.HangJob, Count: 1}}}, []step{
			post("r1", repave(1, "h"), "202"), wait(time.Hour), get("/jobs/1", "200 running"), cancel("/jobs/1/cancel", "202 running"), wait(time.Minute), get("/jobs/1", "200 cancelled"),
		}, []string{"accepted s1 r1", "began s1 r1", "cancelled s1 r1", "ended s1 r1 cancelled"}},
		{"version 1 takes all it is told", site.Config{API: site.V1}, []step{
			{method: "POST", path: "/repave", key: "r1", body: `{"serverId":"s1","mac":"aa","ipv4":"1","osVersion":"24.04"}`, want: "202"},
			{method: "POST", path: "/repave", key: "r1", body: `{"serverId":"s1","mac":"aa","ipv4":"1","osVersion":"24.04"}`, want: "202"},
			post("r1", repave(1, "h"), "404"), get("/capabilities", "404"), get("/jobs?requestId=r1", "404"), cancel("/jobs/1/cancel", "404"), wait(time.Minute), get("/jobs/2", "200 succeeded"),
		}, []string{"accepted s1", "accepted s1", "began s1", "began s1", "ended s1 succeeded", "ended s1 succeeded"}},
		{"what is malformed", site.Config{}, []step{
			post("", repave(1, "h"), "400 bad_request"), post("r1", `{`, "400 bad_request"), post("r1", `{"action":"dance","server":{"serverId":"s1"}}`, "400 bad_request"),
			post("r1", `{"action":"repave","server":{"serverId":"s1"}}`, "400 bad_request"), get("/jobs", "400 bad_request"), get("/jobs/1nope", "404 job_not_found"),
		}, []string{"refused s1 r1 bad_request", "refused s1 r1 bad_request"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.config)
			for i, s := range c.steps {
				b.clock.Advance(s.wait)
				if s.wait != 0 {
					continue
				}
				path := s.path
				for n := 1; n <= 2; n++ {
					if prefix := fmt.Sprintf("/jobs/%d", n); path == prefix || strings.HasPrefix(path, prefix+"/") {
						path = strings.Replace(path, prefix, "/jobs/"+b.jobID(n), 1)
					}
				}
				if got := b.do(s.method, path, s.key, s.body); got != s.want {
					t.Errorf("step %d: %s %s: %s, want %s", i+1, s.method, s.path, got, s.want)
				}
			}
			if got := story(b.Record()); !reflect.DeepEqual(got, c.record) {
				t.Errorf("record:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(c.record, "\n"))
			}
		})
	}
}

// TestRecordIsInTheOrderOfTime also where nobody looked while things happened.
func TestRecordIsInTheOrderOfTime(t *testing.T) {
	b := newBench(t, site.Config{})
	for i := range 40 {
		b.do("POST", "/operations", fmt.Sprint("r", i), repave(i, "h"))
		b.clock.Advance(time.Duration(i%7) * time.Second)
	}
	b.clock.Advance(time.Hour)
	live, last := 0, dawn
	for i, event := range b.Record() {
		if event.Seq != int64(i+1) || event.At.Before(last) {
			t.Fatalf("event %d is numbered %d, at %s after %s", i+1, event.Seq, event.At, last)
		}
		last = event.At
		switch event.Kind {
		case site.Accepted:
			live++
		case site.Ended:
			live--
		default:
		}
		if event.Kind == site.Accepted && event.Live != live {
			t.Fatalf("event %d says %d live jobs, and there are %d", event.Seq, event.Live, live)
		}
	}
	if live != 0 {
		t.Errorf("%d jobs live on", live)
	}
}

// TestCutAnywhere cuts the record at each of its bytes, as a crash might: what comes back is what was whole, and the
// site works on from there.
func TestCutAnywhere(t *testing.T) {
	dir := t.TempDir()
	clock := site.NewManualClock(dawn)
	dc, err := site.Open(site.Config{Clock: clock, Fsync: true}, dir)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, Site: dc, clock: clock}
	b.do("POST", "/operations", "r1", repave(1, "h"))
	b.do("POST", "/jobs/cancel?requestId=r2", "", "")
	clock.Advance(time.Minute)
	want := b.Record()
	if _, err := site.Open(site.Config{}, dir); err == nil || !strings.Contains(err.Error(), "another site") {
		t.Errorf("a second site over the same folder: %v", err)
	}
	if err := dc.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, "record.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for size := range len(whole) + 1 {
		cut := filepath.Join(t.TempDir(), "data")
		if err := os.MkdirAll(cut, 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(cut, "record.jsonl"), whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		// The clock stands where it did at first, so that nothing more happens by itself.
		again, err := site.Open(site.Config{Clock: site.NewManualClock(dawn)}, cut)
		if err != nil {
			t.Fatalf("cut at %d: %v", size, err)
		}
		lines := strings.Count(string(whole[:size]), "\n")
		if got := again.Record(); len(got) != lines || lines > 0 && !reflect.DeepEqual(got, want[:lines]) {
			t.Fatalf("cut at %d: %d events, want %d", size, len(got), lines)
		}
		back := &bench{T: t, Site: again}
		if got := back.do("POST", "/operations", "r9", repave(9, "h")); got != "202" {
			t.Fatalf("cut at %d: a new request: %s", size, got)
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDamage in the middle of a record is not passed over.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "record.jsonl"), []byte("{\"seq\":1}\n{\"seq\":3}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := site.Open(site.Config{}, dir); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("opening a record with a gap: %v", err)
	}
}

// TestFiftyAtOnce sends one id and many ids from many clients.
func TestFiftyAtOnce(t *testing.T) {
	b := newBench(t, site.Config{})
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() { b.do("POST", "/operations", "same", repave(1, "h")) })
		all.Go(func() { b.do("POST", "/operations", fmt.Sprint("r", i), repave(100+i, "h")) })
	}
	all.Wait()
	made := map[string]int{}
	for _, event := range b.Record() {
		if event.Kind == site.Accepted {
			made[event.RequestID]++
		}
	}
	if len(made) != 51 || made["same"] != 1 {
		t.Errorf("%d ids made a job, %q made %d", len(made), "same", made["same"])
	}
}

// BenchmarkRequests is one job with one look at it.
func BenchmarkRequests(b *testing.B) {
	dc := site.New(site.Config{Duration: time.Nanosecond * 1000})
	for i := range b.N {
		request := httptest.NewRequest(http.MethodPost, "/operations", strings.NewReader(repave(i%1000, fmt.Sprint(i))))
		request.Header.Set("Idempotency-Key", fmt.Sprint("r", i))
		response := httptest.NewRecorder()
		dc.ServeHTTP(response, request)
		if response.Code != http.StatusAccepted {
			b.Fatal(response.Body.String())
		}
		dc.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, fmt.Sprintf("/jobs?requestId=r%d", i), nil))
	}
}

// BenchmarkOverHTTP is one job over real HTTP, its client's cost included.
func BenchmarkOverHTTP(b *testing.B) {
	server := httptest.NewServer(site.New(site.Config{Duration: time.Microsecond}))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	var next atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := int(next.Add(1))
			request, _ := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL+"/operations", strings.NewReader(repave(n%200, fmt.Sprint(n))))
			request.Header.Set("Idempotency-Key", fmt.Sprint("r", n))
			response, err := client.Do(request)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
	})
}
