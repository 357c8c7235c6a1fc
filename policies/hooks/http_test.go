package hooks_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stargate.io/stargate/policies/hooks"
)

// network stands in for resolver and network, and keeps what was connected to.
type network struct {
	mu        sync.Mutex
	answers   map[string][][]string // by name, one for each time that it is asked
	resolved  map[string]int
	connected []string
}

func (n *network) options() hooks.Options {
	return hooks.Options{Workers: 1, Resolve: n.resolve, Connect: n.connect}
}

func (n *network) resolve(_ context.Context, host string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	answers := n.answers[host]
	if len(answers) == 0 {
		return nil, errors.New("no such host")
	}
	if n.resolved == nil {
		n.resolved = map[string]int{}
	}
	answer := answers[min(n.resolved[host], len(answers)-1)]
	n.resolved[host]++
	var addresses []netip.Addr
	for _, text := range answer {
		addresses = append(addresses, netip.MustParseAddr(text))
	}
	return addresses, nil
}

func (n *network) connect(_ context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.connected = append(n.connected, address)
	return nil, errors.New("connection refused")
}

// get runs a script that asks for one address.
func get(t *testing.T, p *hooks.Pool, url string, hosts ...string) hooks.Result {
	t.Helper()
	return run(t, p, hooks.Call{Name: "get", Script: compile(t, body(fmt.Sprintf("http.get(%q); return ctx.done()", url))), Hosts: hosts}, nil)
}

// closedAddresses are not of the open internet, however they are written.
var closedAddresses = []string{
	"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.254", "127.0.0.1", "127.255.255.254", "169.254.169.254",
	"169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1", "192.168.255.255", "198.18.0.1", "198.19.255.255",
	"198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "168.63.129.16",
	"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:169.254.169.254",
	"64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1",
	"2002:7f00:1::1", "2002:a9fe:a9fe::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff05::1:3",
}

var openAddresses = []string{"93.184.216.34", "1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "169.253.0.1", "2606:4700::1111", "2a00:1450:4001::200e", "::ffff:8.8.8.8"}

// TestAddressesThatANameLeadsTo: only those of the open internet are connected to.
func TestAddressesThatANameLeadsTo(t *testing.T) {
	if len(closedAddresses) < 40 {
		t.Fatalf("%d addresses", len(closedAddresses))
	}
	n := &network{answers: map[string][][]string{}}
	p := pool(t, n.options())
	for i, address := range slices.Concat(closedAddresses, openAddresses) {
		name := fmt.Sprintf("n%d.example", i)
		n.answers[name] = [][]string{{address}}
		n.connected = nil
		got := get(t, p, "https://"+name+"/", "*.example")
		if open := slices.Contains(openAddresses, address); open != (len(n.connected) == 1) || open == (got.Reason == hooks.ReasonNotAllowed) {
			t.Errorf("%s: connected to %v: %s %s", address, n.connected, got.Reason, got.Message)
		}
	}
}

// TestAddressesAsWritten: none that is not listed is asked for, in whatever form; one that is listed itself may be.
func TestAddressesAsWritten(t *testing.T) {
	n := &network{answers: map[string][][]string{}}
	p := pool(t, n.options())
	odd := []string{"0177.0.0.1", "0x7f.0.0.1", "2130706433", "127.1", "0", "127.0.0.1.", "[::ffff:127.0.0.1%25lo]", "[fe80::1%25eth0]", "localhost", "LOCALHOST.", "user@127.0.0.1", "169.254.169.254:80"}
	for _, address := range slices.Concat(closedAddresses, openAddresses, odd) {
		host := address
		if strings.Count(address, ":") > 1 && !strings.HasPrefix(address, "[") {
			host = "[" + address + "]"
		}
		got := get(t, p, "http://"+host+"/", "*.example", "192.0.2.77", "other.example:80")
		if got.Outcome == hooks.Done || len(n.connected) > 0 {
			t.Errorf("%s: connected to %v: %s", host, n.connected, got.Message)
		}
	}
	for _, host := range []string{"10.1.2.3", "[fd00::7]", "10.1.2.3:8080"} {
		n.connected = nil
		got := get(t, p, "http://"+host+"/", "10.1.2.3", "[fd00::7]:80")
		if len(n.connected) != 1 || got.Reason != hooks.ReasonScriptError {
			t.Errorf("%s is listed: connected to %v: %s", host, n.connected, got.Message)
		}
	}
	if got := get(t, p, "http://[fd00::7]:81/", "10.1.2.3", "[fd00::7]:80"); got.Reason != hooks.ReasonNotAllowed {
		t.Errorf("another port than listed: %s", got.Message)
	}
}

func TestNamesThatAreAllowed(t *testing.T) {
	n := &network{answers: map[string][][]string{}}
	p := pool(t, n.options())
	for _, c := range []struct {
		url  string
		host string
		may  bool
	}{
		{"https://cmdb.example/", "cmdb.example", true},
		{"https://CMDB.example./", "cmdb.example", true},
		{"https://cmdb.example:8443/", "cmdb.example", true},
		{"https://cmdb.example:8443/", "cmdb.example:443", false},
		{"https://cmdb.example/", "cmdb.example:443", true},
		{"http://cmdb.example/", "cmdb.example:443", false},
		{"https://a.cmdb.example/", "cmdb.example", false},
		{"https://a.cmdb.example/", "*.cmdb.example", true},
		{"https://a.b.cmdb.example/", "*.cmdb.example", true},
		{"https://cmdb.example/", "*.cmdb.example", false},
		{"https://xcmdb.example/", "*.cmdb.example", false},
		{"https://cmdb.example.evil.example/", "cmdb.example", false},
		{"https://cmdb.example@evil.example/", "cmdb.example", false},
		{"https://evil.example/?cmdb.example", "cmdb.example", false},
		{"https://evil.example\\@cmdb.example/", "cmdb.example", false},
		{"ftp://cmdb.example/", "cmdb.example", false},
		{"//cmdb.example/", "cmdb.example", false},
		{"https:cmdb.example", "cmdb.example", false},
		{"https:///", "cmdb.example", false},
		{"", "cmdb.example", false},
	} {
		host := strings.TrimSuffix(strings.ToLower(c.host), ".")
		n.answers["cmdb.example"], n.answers["CMDB.example."], n.answers["a.cmdb.example"], n.answers["a.b.cmdb.example"], n.answers["evil.example"] = [][]string{{"8.8.8.8"}}, [][]string{{"8.8.8.8"}}, [][]string{{"8.8.8.8"}}, [][]string{{"8.8.8.8"}}, [][]string{{"8.8.8.8"}}
		n.connected = nil
		if got := get(t, p, c.url, host); (len(n.connected) > 0) != c.may {
			t.Errorf("%s with %s: connected to %v: %s", c.url, c.host, n.connected, got.Message)
		}
	}
}

// TestResolverThatChangesItsMind: what is connected to is what was judged, and a name is looked up once for it.
func TestResolverThatChangesItsMind(t *testing.T) {
	n := &network{answers: map[string][][]string{
		"rebind.example": {{"8.8.8.8"}, {"169.254.169.254"}, {"127.0.0.1", "8.8.4.4"}},
	}}
	p := pool(t, n.options())
	want := [][]string{{"8.8.8.8:80"}, nil, {"8.8.4.4:80"}}
	for i, expected := range want {
		n.connected = nil
		get(t, p, "http://rebind.example/", "rebind.example")
		if !slices.Equal(n.connected, expected) || n.resolved["rebind.example"] != i+1 {
			t.Errorf("time %d: connected to %v, expected %v; looked up %d times", i+1, n.connected, expected, n.resolved["rebind.example"])
		}
	}
}

// TestRealSocket: without a stand-in for the network a loopback server is reached only where its address is listed.
func TestRealSocket(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("X-Said", r.Header.Get("Idempotency-Key"))
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte(r.Method + " " + r.URL.RequestURI()))
	}))
	defer server.Close()
	p := pool(t, hooks.Options{Workers: 1})
	text := body(`local a = http.post(ctx.url .. "/x?secret=1", {body = "b"}); return ctx.fail(a.status .. " " .. a.headers["x-said"] .. " " .. a.body)`)
	call := hooks.Call{Name: "real", Script: compile(t, text), Context: map[string]any{"url": server.URL}, Key: "key-7"}
	if got := run(t, p, call, nil); got.Reason != hooks.ReasonNotAllowed || asked != 0 {
		t.Errorf("not listed: %+v", got)
	}
	call.Hosts = []string{"127.0.0.1"}
	got := run(t, p, call, nil)
	if got.Message != "418 key-7 POST /x?secret=1" || asked != 1 {
		t.Errorf("listed: %+v", got)
	}
	if len(got.Verbs) != 1 || got.Verbs[0].What != "http POST "+server.URL+"/x" || got.Verbs[0].Failed {
		t.Errorf("the record: %+v", got.Verbs)
	}
}

// TestRedirects are followed to what is allowed, three at most, and take no credentials to another host.
func TestRedirects(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]http.Header{}
	handler := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		seen[r.Host+r.URL.Path] = r.Header.Clone()
		mu.Unlock()
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
		}
	}
	one, two := httptest.NewServer(http.HandlerFunc(handler)), httptest.NewServer(http.HandlerFunc(handler))
	defer one.Close()
	defer two.Close()
	p := pool(t, hooks.Options{Workers: 1})
	script := compile(t, body(`http.get(ctx.url, {headers = {Authorization = "Bearer s", ["X-Token"] = "s", Cookie = "s", Accept = "text/plain"}}); return ctx.done()`))
	ask := func(url string) hooks.Result {
		return run(t, p, hooks.Call{Name: "redirect", Script: script, Context: map[string]any{"url": url}, Hosts: []string{strings.TrimPrefix(one.URL, "http://"), strings.TrimPrefix(two.URL, "http://")}}, nil)
	}
	if got := ask(one.URL + "/a?to=" + two.URL + "/b"); got.Outcome != hooks.Done {
		t.Fatalf("to another that is allowed: %+v", got)
	}
	first, second := seen[strings.TrimPrefix(one.URL, "http://")+"/a"], seen[strings.TrimPrefix(two.URL, "http://")+"/b"]
	if first.Get("Authorization") == "" || first.Get("X-Token") == "" || second == nil || second.Get("Accept") != "text/plain" {
		t.Errorf("headers: %v then %v", first, second)
	}
	for _, secret := range []string{"Authorization", "X-Token", "Cookie", "Referer"} {
		if second.Get(secret) != "" {
			t.Errorf("%s went along to another host", secret)
		}
	}
	for _, c := range []struct{ name, to, reason, message string }{
		{"to what is not allowed", "http://169.254.169.254/", hooks.ReasonNotAllowed, "is not allowed"},
		{"to another port", "http://127.0.0.1:1/", hooks.ReasonNotAllowed, "is not allowed"},
		{"to a file", "file:///etc/passwd", hooks.ReasonNotAllowed, "https:// or http://"},
		{"for ever", one.URL + "/a?to=" + one.URL + "/a%3Fto=" + one.URL + "/a%253Fto=" + one.URL + "/a%25253Fto=" + one.URL + "/a", hooks.ReasonScriptError, "more than 3 redirects"},
	} {
		if got := ask(one.URL + "/a?to=" + strings.ReplaceAll(c.to, "%", "%25")); got.Reason != c.reason || !strings.Contains(got.Message, c.message) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// TestBodiesAreBounded in size and time, whatever the server does.
func TestBodiesAreBounded(t *testing.T) {
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		case "/slow":
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-ended
		case "/headers":
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		}
	}))
	defer server.Close()
	defer close(ended)
	p := pool(t, hooks.Options{Workers: 1})
	for _, c := range []struct{ path, options, reason, message string }{
		{"/endless", "{}", hooks.ReasonOutput, "more than 1048576 bytes"},
		{"/slow", `{timeout = "50ms"}`, hooks.ReasonScriptError, "no answer within 50ms"},
		{"/headers", "{}", hooks.ReasonScriptError, "header"},
	} {
		script := compile(t, body(fmt.Sprintf("http.get(%q, %s); return ctx.done()", server.URL+c.path, c.options)))
		if got := run(t, p, hooks.Call{Name: "bounded", Script: script, Hosts: []string{"127.0.0.1"}}, nil); got.Reason != c.reason || !strings.Contains(got.Message, c.message) {
			t.Errorf("%s: %+v", c.path, got)
		}
	}
	script := compile(t, body(fmt.Sprintf("http.get(%q, {timeout = '1h'}); return ctx.done()", server.URL+"/slow")))
	got := run(t, p, hooks.Call{Name: "bounded", Script: script, Hosts: []string{"127.0.0.1"}, Deadline: 300 * time.Millisecond}, nil)
	if got.Reason != hooks.ReasonDeadline {
		t.Errorf("past the run's deadline: %+v", got)
	}
}

// TestSecretsStayOutOfTheRecord: what is in an address beside its path is not told.
func TestSecretsStayOutOfTheRecord(t *testing.T) {
	n := &network{answers: map[string][][]string{"cmdb.example": {{"8.8.8.8"}}}}
	p := pool(t, n.options())
	for _, url := range []string{"https://user:hunter2@cmdb.example/a?token=hunter2#hunter2", "https://user:hunter2@evil.example/?token=hunter2", "https://user:hunter2@%zz/"} {
		got := get(t, p, url, "cmdb.example")
		if text := fmt.Sprintf("%+v", got); strings.Contains(text, "hunter2") || len(got.Verbs) != 1 || !got.Verbs[0].Failed {
			t.Errorf("%s: %s", url, text)
		}
	}
}
