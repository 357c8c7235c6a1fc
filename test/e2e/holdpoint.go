package e2e

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"stargate.io/stargate/engine"
)

// HoldPoint stops a controller in front of one of its requests to the API server, so that an edit
// can land between two of its steps.
type HoldPoint struct {
	testing.TB
	method, path, content string

	once    sync.Once
	open    sync.Once
	reached chan struct{}
	release chan struct{}
}

// NewHoldPoint stops before the first request of that method whose path ends so and whose body
// holds that text.
func NewHoldPoint(tb testing.TB, method, path, content string) *HoldPoint {
	h := &HoldPoint{TB: tb, method: method, path: path, content: content,
		reached: make(chan struct{}), release: make(chan struct{})}
	tb.Cleanup(h.Release)
	return h
}

// Into makes a controller run into it.
func (h *HoldPoint) Into(base *rest.Config) func(*engine.Options) {
	return func(options *engine.Options) { options.RESTConfig = wrapped(base, h.around) }
}

// wrapped gives a configuration whose requests pass through another transport.
func wrapped(base *rest.Config, around func(http.RoundTripper) http.RoundTripper) *rest.Config {
	config := rest.CopyConfig(base)
	config.Wrap(around)
	return config
}

// Reached waits until the controller stands there.
func (h *HoldPoint) Reached() {
	h.Helper()
	select {
	case <-h.reached:
	case <-time.After(patience):
		h.Fatalf("the controller never sent %s …%s with %q", h.method, h.path, h.content)
	}
}

// Release lets the controller go on.
func (h *HoldPoint) Release() { h.open.Do(func() { close(h.release) }) }

func (h *HoldPoint) around(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if request.Method == h.method && strings.HasSuffix(request.URL.Path, h.path) && h.holds(request) {
			h.once.Do(func() {
				close(h.reached)
				select {
				case <-h.release:
				case <-request.Context().Done():
				}
			})
		}
		return next.RoundTrip(request)
	})
}

// holds tells whether a request's body holds the text, and leaves the body as it was.
func (h *HoldPoint) holds(request *http.Request) bool {
	if h.content == "" || request.Body == nil {
		return h.content == ""
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		h.Errorf("reading a request: %v", err)
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	return bytes.Contains(body, []byte(h.content))
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }
