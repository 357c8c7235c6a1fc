package proxy

import (
	"bufio"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/client-go/rest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const operations = "/apis/stargate.io/v1alpha1/namespaces/west/operations"

// behind gives a proxy of a server that counts the writes which reach it.
func behind(t *testing.T, handler http.HandlerFunc) (p *Proxy, client *http.Client, landed *atomic.Int32) {
	t.Helper()
	landed = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			landed.Add(1)
		}
		if handler != nil {
			handler(w, r)
		}
	}))
	p, err := API(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	client = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		p.Close()
		server.Close()
	})
	return p, client, landed
}

// send a request; status 0 where the connection broke.
func send(t *testing.T, client *http.Client, method, url string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, ""
	}
	return response.StatusCode, string(all)
}

func TestCountsByVerbAndResource(t *testing.T) {
	p, client, _ := behind(t, nil)
	for _, call := range []string{
		"GET " + operations, "GET " + operations + "/a", "GET " + operations + "?watch=true", "PUT " + operations + "/a/status",
		"PUT " + operations + "/b/status", "DELETE " + operations + "/a", "POST /api/v1/namespaces/west/events",
		"PUT /apis/coordination.k8s.io/v1/namespaces/west/leases/stargate", "GET /api/v1/namespaces",
	} {
		method, path, _ := strings.Cut(call, " ")
		send(t, client, method, p.URL()+path)
	}
	want := map[string]int{
		"list operations": 1, "get operations": 1, "watch operations": 1, "update operations/status": 2, "delete operations": 1,
		"create events": 1, "update leases": 1, "list namespaces": 1,
	}
	if got := p.Counts(); !maps.Equal(got, want) {
		t.Errorf("counts are %v, want %v", got, want)
	}
	if all, writes := p.Calls(); all != 9 || writes != 3 {
		t.Errorf("%d calls with %d writes, want 9 with 3: events and leases do not count", all, writes)
	}
}

func TestReadsSiteCalls(t *testing.T) {
	for call, want := range map[string]Call{
		"POST /operations":          {Verb: "start", Write: true},
		"POST /repave":              {Verb: "start", Write: true},
		"GET /jobs/j1":              {Verb: "status", Name: "j1"},
		"GET /jobs?requestId=r":     {Verb: "find"},
		"POST /jobs/j1/cancel":      {Verb: "cancel", Name: "j1", Write: true},
		"POST /jobs/cancel?request": {Verb: "cancel", Name: "cancel", Write: true},
		"GET /capabilities":         {Verb: "probe"},
	} {
		method, path, _ := strings.Cut(call, " ")
		if got := siteCall(httptest.NewRequest(method, path, nil)); got != want {
			t.Errorf("%s is %+v, want %+v", call, got, want)
		}
	}
}

func TestActions(t *testing.T) {
	var p *Proxy
	var landed *atomic.Int32
	var reached atomic.Int32
	look := func() { reached.Store(landed.Load()) }
	for name, test := range map[string]struct {
		action          Action
		status          int
		landed, reached int32
	}{
		"pass":        {Action{}, 200, 1, -1},
		"before":      {Action{Before: look}, 200, 1, 0},
		"drop":        {Action{Before: look, Drop: true}, 0, 0, 0},
		"after":       {Action{After: look}, 200, 1, 1},
		"lose":        {Action{After: look, Lose: true}, 0, 1, 1},
		"twice":       {Action{Twice: true}, 200, 2, -1},
		"answer":      {Action{Answer: &Answer{Status: 409, Reason: "Conflict"}}, 409, 0, -1},
		"act, answer": {Action{Answer: &Answer{Status: 504, Reason: "Timeout"}, Act: true}, 504, 1, -1},
	} {
		t.Run(name, func(t *testing.T) {
			var client *http.Client
			p, client, landed = behind(t, nil)
			reached.Store(-1)
			p.Use(AtWrite(2, test.action))
			if status, _ := send(t, client, http.MethodPut, p.URL()+operations+"/a"); status != 200 {
				t.Fatalf("the first write was answered %d", status)
			}
			landed.Store(0)
			if status, _ := send(t, client, http.MethodPut, p.URL()+operations+"/a"); status != test.status {
				t.Errorf("answered %d, want %d", status, test.status)
			}
			if landed.Load() != test.landed || reached.Load() != test.reached {
				t.Errorf("landed %d times (%d when asked), want %d (%d)", landed.Load(), reached.Load(), test.landed, test.reached)
			}
		})
	}
}

func TestLateLandsAfterTheConnectionBroke(t *testing.T) {
	reached := make(chan struct{})
	p, client, _ := behind(t, func(http.ResponseWriter, *http.Request) { close(reached) })
	p.Use(AtCall(1, Action{Late: 50 * time.Millisecond}))
	if status, _ := send(t, client, http.MethodPost, p.URL()+operations); status != 0 {
		t.Fatalf("answered %d, want a broken connection", status)
	}
	select {
	case <-reached:
	case <-time.After(10 * time.Second):
		t.Error("it never landed")
	}
}

func TestFreezeHoldsWatchesBack(t *testing.T) {
	more := make(chan struct{})
	p, client, _ := behind(t, func(w http.ResponseWriter, r *http.Request) {
		if !isWatch(r) {
			return
		}
		for _, event := range []string{"one\n", "two\n"} {
			_, _ = io.WriteString(w, event)
			_ = http.NewResponseController(w).Flush()
			<-more
		}
	})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL()+operations+"?watch=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	events := bufio.NewReader(response.Body)
	if line, err := events.ReadString('\n'); line != "one\n" {
		t.Fatalf("read %q, %v", line, err)
	}
	p.Freeze()
	close(more)
	second := make(chan string)
	go func() {
		line, _ := events.ReadString('\n')
		second <- line
	}()
	if status, _ := send(t, client, http.MethodGet, p.URL()+operations); status != 200 {
		t.Errorf("a list was answered %d while watches are frozen", status)
	}
	select {
	case line := <-second:
		t.Errorf("the watch gave %q while frozen", line)
	case <-time.After(100 * time.Millisecond):
	}
	p.Thaw()
	if line := <-second; line != "two\n" {
		t.Errorf("read %q after the thaw", line)
	}
}
