package dcapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/conformance"
	"stargate.io/stargate/drivers/dcapi"
)

// TestAnswersWithoutEnd: ten gigabytes of JSON, and headers without end, cost little memory and no more than the
// deadline.
func TestAnswersWithoutEnd(t *testing.T) {
	d := newDatacenter(t, site.Config{})
	job, err := d.driver.Start(t.Context(), conformance.Repave("u-1", 1))
	if err != nil {
		t.Fatal(err)
	}
	d.fault(site.Fault{Kind: site.Garbage, Sort: site.Endless, Act: true})
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = d.driver.Status(t.Context(), job)
	check(t, "Status", err, "Transient InvalidResponse")
	_, err = d.driver.Start(t.Context(), conformance.Repave("u-2", 2))
	check(t, "Start", err, "Unknown InvalidResponse")
	runtime.ReadMemStats(&now)
	if grown := now.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("reading ten gigabytes allocated %d MiB in all", grown>>20)
	}
	if len(d.accepted()) != 2 {
		t.Errorf("on record: %+v", d.accepted())
	}

	headers := &fake{version: "v2", answer: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
		say(w, 202, `{}`)
	}}
	_, err = headers.driver(t, dcapi.Config{}).Start(t.Context(), conformance.Repave("u-1", 1))
	check(t, "Start with a header of 1 MiB", err, "Unknown Unreachable")
}

// TestSlowBytes: an answer that comes byte by byte ends at the deadline.
func TestSlowBytes(t *testing.T) {
	slow := &fake{version: "v2", answer: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusAccepted)
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			select {
			case <-r.Context().Done():
				tick.Stop()
				return
			case <-tick.C:
				if _, err := io.WriteString(w, " "); err != nil || http.NewResponseController(w).Flush() != nil {
					return
				}
			}
		}
	}}
	driver := slow.driver(t, dcapi.Config{Timeout: 100 * time.Millisecond})
	started := time.Now()
	_, err := driver.Start(t.Context(), conformance.Repave("u-1", 1))
	check(t, "Start", err, "Unknown InvalidResponse")
	_, err = driver.Status(t.Context(), drivers.JobRef{JobID: "job-1"})
	check(t, "Status", err, "Transient InvalidResponse")
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestLimits: no more requests at a time than allowed, and a caller who does not get a turn sends nothing.
func TestLimits(t *testing.T) {
	var now, most atomic.Int64
	entered, release := make(chan struct{}, 100), make(chan struct{})
	site := &fake{version: "v2", answer: func(w http.ResponseWriter, _ *http.Request) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer now.Add(-1)
		entered <- struct{}{}
		<-release
		say(w, 200, `{"jobId":"job-1","phase":"running","message":""}`)
	}}
	driver := site.driver(t, dcapi.Config{Limits: dcapi.Limits{Concurrent: 3, RequestsPerSecond: 1e6}, Timeout: 10 * time.Second})
	if _, err := driver.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := driver.Status(t.Context(), drivers.JobRef{JobID: "job-1"}); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		<-entered
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := driver.Start(ctx, conformance.Repave("u-1", 1))
	check(t, "Start without a turn", err, "Transient Busy")
	close(release)
	all.Wait()
	if most.Load() != 3 || site.posts.Load() != 0 {
		t.Errorf("%d at a time, want 3; %d POSTs, want 0", most.Load(), site.posts.Load())
	}
}

// TestPace: requests beyond the allowed number a second wait, and give up at once where the deadline is sooner.
func TestPace(t *testing.T) {
	driver := (&fake{version: "v2"}).driver(t, dcapi.Config{Limits: dcapi.Limits{RequestsPerSecond: 0.01}, Timeout: time.Second})
	_, err := driver.Probe(t.Context()) // the first request is free, the second must wait 100 s
	check(t, "Probe", err, "Transient Busy")
}

// TestOneVersion1RequestOnAConnectionOfItsOwn: a kept connection that the site has just closed would leave the
// outcome in doubt, for ever.
func TestOneVersion1RequestOnAConnectionOfItsOwn(t *testing.T) {
	var keys, closes atomic.Int64
	fakeSite := &fake{version: "v1", answer: func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Idempotency-Key") != "" {
			keys.Add(1)
		}
		if r.Close {
			closes.Add(1)
		}
		say(w, 202, `{"jobId":"job-1","status":"accepted"}`)
	}}
	driver := fakeSite.driver(t, dcapi.Config{})
	if _, err := driver.Start(t.Context(), conformance.Repave("u-1", 1)); err != nil {
		t.Fatal(err)
	}
	if keys.Load() != 0 || closes.Load() != 1 {
		t.Errorf("Idempotency-Key sent %d times, want 0; own connection %d times, want 1", keys.Load(), closes.Load())
	}
}

// TestEndpoints: what an endpoint may be, and that no password in one comes into a message.
func TestEndpoints(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://10.0.0.1:8080":        "",
		"https://dc.example/api/dc":   "",
		"https://dc.example/api/dc/":  "",
		"https://[2001:db8::1]:8443":  "",
		"":                            "scheme",
		"dc.example":                  "scheme",
		"ftp://dc.example":            "scheme",
		"http://":                     "no host",
		"http://:8080":                "no host",
		"http://u:hunter2@dc.example": "user or password",
		"http://dc.example?x=1":       "query",
		"http://dc.example?":          "query",
		"http://dc.example#":          "query or a fragment",
		"http://dc.example/%zz":       "not a URL",
		"http://u:hunter2@dc\x00":     "not a URL",
	} {
		_, err := dcapi.New(dcapi.Config{Endpoint: endpoint})
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", endpoint, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%q: %v, want it to say %q", endpoint, err, want)
		}
	}
}

// TestPathPrefix: a site may live below a path.
func TestPathPrefix(t *testing.T) {
	for _, prefix := range []string{"/dc/west", "/dc/west/"} {
		mux := http.NewServeMux()
		mux.Handle("/dc/west/", http.StripPrefix("/dc/west", site.New(site.Config{})))
		server := httptest.NewServer(mux)
		t.Cleanup(server.Close)
		driver := newDriver(t, dcapi.Config{Endpoint: server.URL + prefix})
		job, err := driver.Start(t.Context(), conformance.Repave("u-1", 1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := driver.Status(t.Context(), job); err != nil {
			t.Error(err)
		}
	}
}

// TestNobodyElseRepeats: net/http would send a request with an Idempotency-Key again by itself, where a kept connection
// breaks. Tries are ours to count.
func TestNobodyElseRepeats(t *testing.T) {
	breaks := &fake{version: "v2", answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }}
	driver := breaks.driver(t, dcapi.Config{})
	if _, err := driver.Probe(t.Context()); err != nil { // leaves a connection to be used again
		t.Fatal(err)
	}
	_, err := driver.Start(t.Context(), conformance.Repave("u-1", 1))
	check(t, "Start", err, "Unknown Unreachable")
	if posts := breaks.posts.Load(); posts != 3 {
		t.Errorf("the site saw %d tries, want 3", posts)
	}
}

// TestNothingIsUnpacked: a small body must not unfold into a large one.
func TestNothingIsUnpacked(t *testing.T) {
	packed := &fake{version: "v2", answer: func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("the driver takes %s", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		say(w, http.StatusOK, "\x1f\x8b")
	}}
	_, err := packed.driver(t, dcapi.Config{}).Status(t.Context(), drivers.JobRef{JobID: "job-1"})
	check(t, "Status", err, "Transient InvalidResponse")
}
