package conformance

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// Network is a handler behind real HTTP on loopback, that can be taken off the network and brought back to its address.
type Network struct {
	t       *testing.T
	handler http.Handler
	server  *httptest.Server
}

// Serve puts a handler on the network. The caller closes it.
func Serve(t *testing.T, handler http.Handler) *Network {
	t.Helper()
	return &Network{t: t, handler: handler, server: httptest.NewServer(handler)}
}

// URL to reach it by.
func (n *Network) URL() string { return "http://" + n.server.Listener.Addr().String() }

// Use puts another handler in its place, before the first request.
func (n *Network) Use(handler http.Handler) { n.server.Config.Handler = handler }

// Close takes it off the network, and waits for what is under way.
func (n *Network) Close() { n.server.Close() }

// Vanish takes it off the network; what connections there were are gone.
func (n *Network) Vanish() {
	n.server.CloseClientConnections()
	n.server.Close()
}

// Appear brings it back to its address, if it had vanished.
func (n *Network) Appear() {
	listener, err := new(net.ListenConfig).Listen(n.t.Context(), "tcp", n.server.Listener.Addr().String())
	if err != nil {
		return // it is there
	}
	n.server = &httptest.Server{Listener: listener, Config: &http.Server{Handler: n.handler, ReadHeaderTimeout: time.Second}}
	n.server.Start()
}
