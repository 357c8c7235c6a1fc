package site_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"stargate.io/stargate/cmd/mockdc/site"
)

// TestFaults, each through real HTTP: what the client sees and what the site did.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		fault string
		sees  string // status, or "no answer"
		jobs  int
	}{
		{"kind=refuse", "no answer", 0},
		{"kind=lose-reply,path=/operations", "no answer", 1},
		{"kind=duplicate", "202", 1},
		{"kind=delay,delay=1ms", "202", 1},
		{"kind=slow-reply,delay=1ms", "202", 1},
		{"kind=slow-bytes,delay=1ms", "202", 1},
		{"kind=status,status=503,retryAfter=7", "503", 0},
		{"kind=status,status=500,act=true", "500", 1},
		{"kind=redirect,location=/elsewhere", "307", 0},
		{"kind=garbage,sort=html", "202", 0},
		{"kind=garbage,sort=truncated,act=true", "202", 1},
		{"kind=refuse,server=s2", "202", 1},
		{"kind=refuse,server=s1,action=repave", "no answer", 0},
		{"kind=refuse,action=reboot", "202", 1},
		{"kind=refuse,method=GET", "202", 1},
		{"kind=refuse,skip=1", "202", 1},
		{"kind=refuse,probability=0.5,seed=1", "no answer", 0},
		{"kind=refuse,probability=0.5,seed=3", "202", 1},
	} {
		t.Run(c.fault, func(t *testing.T) {
			fault, err := site.ParseFault(c.fault)
			if err != nil {
				t.Fatal(err)
			}
			dc := site.New(site.Config{Faults: []site.Fault{fault}})
			server := httptest.NewServer(dc)
			t.Cleanup(func() { server.Close(); _ = dc.Close() })
			sees := send(t, server.URL, "r1", repave(1, "h"))
			jobs := 0
			for _, event := range dc.Record() {
				if event.Kind == site.Accepted {
					jobs++
				}
			}
			if sees != c.sees || jobs != c.jobs {
				t.Errorf("the client sees %s, want %s; %d jobs, want %d", sees, c.sees, jobs, c.jobs)
			}
		})
	}
}

func send(t *testing.T, url, key, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/operations", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.GetBody = nil // net/http would send it again by itself
	request.Header.Set("Idempotency-Key", key)
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return "no answer"
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return fmt.Sprint(response.StatusCode)
}

// TestAdmin: faults can be put in force, counted and taken away, machines registered, and the record read in parts.
func TestAdmin(t *testing.T) {
	b := newBench(t, site.Config{})
	for _, s := range []struct{ method, path, body, want string }{
		{"POST", "/admin/faults", `{"kind":"status","status":500,"path":"/health","count":2}`, "201"},
		{"POST", "/admin/faults", `{"kind":"dance"}`, "400 bad_request"},
		{"POST", "/admin/faults", `{"kind":"refuse","patj":"/"}`, "400 bad_request"},
		{"POST", "/admin/faults", `{"kind":"delay","delay":"fast"}`, "400 bad_request"},
		{"GET", "/health", "", "500 internal"},
		{"GET", "/admin/record", "", "200"},
		{"DELETE", "/admin/faults?id=0", "", "400 bad_request"},
		{"DELETE", "/admin/faults?id=1", "", "200"},
		{"GET", "/health", "", "200"},
		{"PUT", "/admin/machines/s1", `{"mac":"aa:00:00:00:00:99"}`, "200"},
	} {
		if got := b.do(s.method, s.path, "", s.body); got != s.want {
			t.Errorf("%s %s %s: %s, want %s", s.method, s.path, s.body, got, s.want)
		}
	}
	if got := b.do("POST", "/operations", "r1", repave(1, "h")); got != "409 identity_mismatch" {
		t.Errorf("a MAC that is not the registered one: %s", got)
	}
	b.do("DELETE", "/admin/machines/s1", "", "")
	if got := b.do("POST", "/operations", "r1", repave(1, "h")); got != "202" {
		t.Errorf("once it is forgotten: %s", got)
	}
	if all, rest := b.Record(), b.RecordSince(2); len(rest) != len(all)-2 || rest[0].Seq != 3 {
		t.Errorf("%d events, %d of them after the second", len(all), len(rest))
	}
}

// TestToken: everything but the health asks for it.
func TestToken(t *testing.T) {
	b := newBench(t, site.Config{Token: "secret"})
	for path, want := range map[string]string{"/health": "200", "/capabilities": "401 unauthorized", "/admin/record": "401 unauthorized", "/jobs/x": "401 unauthorized"} {
		if got := b.do("GET", path, "", ""); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// TestFaultsAsFlags refuses what would never strike as meant.
func TestFaultsAsFlags(t *testing.T) {
	for text, good := range map[string]bool{
		"refuse": true, "kind=late,delay=2s": true, "kind=garbage,sort=endless,count=3": true,
		"": false, "kind=dance": false, "kind=delay,delay=fast": false, "kind=refuse,count=many": false,
		"kind=refuse,colour=red": false, "kind=status": false, "kind=refuse,probability=2": false,
	} {
		if _, err := site.ParseFault(text); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseFault(f *testing.F) {
	f.Add("kind=lose-reply,path=/operations,count=1")
	f.Fuzz(func(t *testing.T, text string) {
		if fault, err := site.ParseFault(text); err == nil && fault.Kind == "" {
			t.Errorf("%q gives %+v", text, fault)
		}
	})
}
