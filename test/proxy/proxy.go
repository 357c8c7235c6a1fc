package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// Proxy of one API server or site, on a port of its own on loopback, in the clear. Its methods are
// safe for concurrent use.
type Proxy struct {
	target    *url.URL
	transport http.RoundTripper // adds the credentials
	bare      *http.Transport
	read      func(*http.Request) Call
	server    *httptest.Server
	late      sync.WaitGroup

	mu      sync.Mutex
	rule    Rule
	calls   int
	nth     map[bool]int
	counts  map[string]int
	thawed  chan struct{} // closed while watches flow
	frozen  []string      // resources whose watches do not flow; empty for all
	closing chan struct{}
}

// API gives a proxy of an API server. It adds the credentials of the configuration, so that callers
// need none.
func API(config *rest.Config) (*Proxy, error) {
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, fmt.Errorf("reading the credentials: %w", err)
	}
	// A transport of its own, not client-go's shared one, so that Close leaves nothing behind.
	bare := &http.Transport{TLSClientConfig: tlsConfig, ForceAttemptHTTP2: true}
	transport, err := rest.HTTPWrappersForConfig(config, bare)
	if err != nil {
		return nil, fmt.Errorf("reading the credentials: %w", err)
	}
	return start(config.Host, bare, transport, apiCall)
}

// Site gives a proxy of a datacenter.
func Site(target string) (*Proxy, error) {
	// A connection for each call: on one that was used before, net/http itself would send a call again
	// whose reply is lost, and the fault would not be seen.
	bare := &http.Transport{DisableKeepAlives: true}
	return start(target, bare, bare, siteCall)
}

func start(target string, bare *http.Transport, transport http.RoundTripper, read func(*http.Request) Call) (*Proxy, error) {
	parsed, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("reading the server's address: %w", err)
	}
	p := &Proxy{
		target: parsed, transport: transport, bare: bare, read: read,
		nth: map[bool]int{}, counts: map[string]int{}, thawed: make(chan struct{}), closing: make(chan struct{}),
	}
	close(p.thawed)
	p.server = httptest.NewServer(p)
	return p, nil
}

// URL where the proxy listens.
func (p *Proxy) URL() string { return p.server.URL }

// Close ends every connection, and waits for what was to land late.
func (p *Proxy) Close() {
	close(p.closing)
	p.server.CloseClientConnections()
	p.server.Close()
	p.late.Wait()
	p.bare.CloseIdleConnections()
}

// Use puts a rule in force in place of the one before; nil lets everything pass.
func (p *Proxy) Use(rule Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rule = rule
}

// Counts of the calls so far, by Call.String.
func (p *Proxy) Counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// Calls so far, and how many of them were writes.
func (p *Proxy) Calls() (all, writes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls, p.nth[true]
}

// Restart counts from zero again.
func (p *Proxy) Restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls, p.nth, p.counts = 0, map[bool]int{}, map[string]int{}
}

// arrive counts a call and asks the rule.
func (p *Proxy) arrive(r *http.Request) Action {
	call := p.read(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	p.nth[call.Write]++
	p.counts[call.String()]++
	call.N, call.Nth, call.Like = p.calls, p.nth[call.Write], p.counts[call.String()]
	if p.rule == nil {
		return Action{}
	}
	return p.rule(call)
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	action := p.arrive(r)
	if action.Before != nil {
		action.Before()
	}
	if action.Drop {
		panic(http.ErrAbortHandler)
	}
	if isWatch(r) {
		p.watch(w, r)
		return
	}
	// Read whole: a caller that is killed has sent a call or has not.
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	switch {
	case action.Late > 0:
		p.serveLate(r, body, action.Late)
		panic(http.ErrAbortHandler)
	case action.Answer != nil && !action.Act:
		action.Answer.write(w)
		return
	}
	got := p.forward(r.Context(), r, body)
	if action.Twice {
		p.forward(r.Context(), r, body)
	}
	if action.After != nil {
		action.After()
	}
	switch {
	case action.Lose, got == nil:
		panic(http.ErrAbortHandler)
	case action.Answer != nil:
		action.Answer.write(w)
	default:
		got.write(w)
	}
}

// reply of a server, whole.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (a *reply) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a caller that has gone is told nothing
}

// forward hands a call to the server; nil where that gave no reply.
func (p *Proxy) forward(ctx context.Context, r *http.Request, body []byte) *reply {
	response, err := p.transport.RoundTrip(p.request(ctx, r, body))
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	got := &reply{status: response.StatusCode, header: response.Header}
	got.header.Del("Connection") // of the other connection
	if got.body, err = io.ReadAll(response.Body); err != nil {
		return nil
	}
	return got
}

// request is a call as the server gets it.
func (p *Proxy) request(ctx context.Context, r *http.Request, body []byte) *http.Request {
	out := r.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.Host, out.RequestURI = p.target.Scheme, p.target.Host, p.target.Host, ""
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	if len(body) == 0 {
		out.Body = http.NoBody
	}
	return out
}

// serveLate hands a call to the server after a time, whatever has become of its caller.
func (p *Proxy) serveLate(r *http.Request, body []byte, delay time.Duration) {
	ctx := context.WithoutCancel(r.Context())
	timer := time.NewTimer(delay)
	p.late.Go(func() {
		defer timer.Stop()
		select {
		case <-timer.C:
			p.forward(ctx, r, body)
		case <-p.closing:
		}
	})
}
