package dcapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

const (
	defaultTimeout    = 10 * time.Second
	defaultBackoff    = 100 * time.Millisecond
	defaultConcurrent = 16
	defaultPerSecond  = 100
	maxHeader         = 64 << 10
)

// Config says which site, and how it is reached. Endpoint is required.
type Config struct {
	// Endpoint is an http or https URL with a host and, where there is one, a path prefix; nothing else.
	Endpoint string
	// Name of the Datacenter, "namespace/name", for messages.
	Name string

	// CAPEM are the certificate authorities that the site's certificate must come from; empty means the
	// machine's own.
	CAPEM []byte
	// ClientCertPEM and ClientKeyPEM are shown to the site; both or neither.
	ClientCertPEM, ClientKeyPEM []byte
	// ServerName is expected in the site's certificate instead of the endpoint's host.
	ServerName string
	// InsecureSkipVerify accepts any certificate.
	InsecureSkipVerify bool

	// Token gives the bearer token, and is asked before each request so that a Secret may change; nil sends none.
	// An error, or an empty token, is reported as CredentialsMissing.
	Token func(ctx context.Context) (string, error)

	// Limits of what the site is asked for.
	Limits Limits
	// Timeout of one request, its answer read; zero is 10 s. A method of the Driver, with all its tries and its
	// waiting for a turn, takes at most three times that.
	Timeout time.Duration
	// Backoff is the wait before the second try of a call, with jitter; it doubles from there. Zero is 100 ms.
	Backoff time.Duration
}

// Limits bound what one Driver asks of its site at a time. Zero values are 16 requests and 100 a second.
type Limits struct {
	// Concurrent requests, and connections.
	Concurrent int
	// RequestsPerSecond, with bursts of the same number.
	RequestsPerSecond float64
}

// New checks a configuration and makes a Driver of it. Nothing is sent yet.
// Errors: the endpoint is not such a URL; a certificate or key cannot be read; a limit is negative.
func New(config Config) (*Driver, error) {
	endpoint, err := parseEndpoint(config.Endpoint)
	if err != nil {
		return nil, err
	}
	tlsConfig, err := config.tls()
	if err != nil {
		return nil, err
	}
	if config.Limits.Concurrent < 0 || !(config.Limits.RequestsPerSecond >= 0) || config.Timeout < 0 {
		return nil, errors.New("reading limits: a limit or the timeout is below zero")
	}
	if config.Timeout == 0 {
		config.Timeout = defaultTimeout
	}
	if config.Backoff <= 0 {
		config.Backoff = defaultBackoff
	}
	if config.Limits.Concurrent == 0 {
		config.Limits.Concurrent = defaultConcurrent
	}
	if config.Limits.RequestsPerSecond == 0 {
		config.Limits.RequestsPerSecond = defaultPerSecond
	}
	if config.Name == "" {
		config.Name = endpoint.Host
	}
	burst := int(math.Ceil(min(config.Limits.RequestsPerSecond, 1e6)))
	return &Driver{
		config:   config,
		endpoint: endpoint,
		base:     endpoint.String(),
		kept:     newTransport(tlsConfig, config.Limits.Concurrent, true),
		fresh:    newTransport(tlsConfig, config.Limits.Concurrent, false),
		turns:    make(chan struct{}, config.Limits.Concurrent),
		pace:     rate.NewLimiter(rate.Limit(config.Limits.RequestsPerSecond), burst),
		sent:     newMemory(rememberedRequests),
	}, nil
}

// parseEndpoint gives the endpoint with a path that ends in a slash.
func parseEndpoint(text string) (*url.URL, error) {
	endpoint, err := url.Parse(text)
	if err != nil {
		// The cause repeats the text, which may hold a password.
		return nil, errors.New("reading the endpoint: it is not a URL")
	}
	switch {
	case endpoint.User != nil:
		return nil, errors.New("reading the endpoint: it holds a user or password: put credentials into the Secret")
	case endpoint.Scheme != "http" && endpoint.Scheme != "https":
		return nil, fmt.Errorf("reading the endpoint: its scheme is %q: use http or https", endpoint.Scheme)
	case endpoint.Hostname() == "":
		return nil, errors.New("reading the endpoint: it has no host")
	case endpoint.RawQuery != "" || endpoint.ForceQuery || endpoint.Fragment != "" || strings.Contains(text, "#"):
		return nil, errors.New("reading the endpoint: it has a query or a fragment: leave them out")
	}
	if !strings.HasSuffix(endpoint.Path, "/") {
		endpoint = endpoint.JoinPath("/")
	}
	return endpoint, nil
}

func (c Config) tls() (*tls.Config, error) {
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         c.ServerName,
		InsecureSkipVerify: c.InsecureSkipVerify, //nolint:gosec // the operator's choice, shown on the Datacenter
	}
	if len(c.CAPEM) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(c.CAPEM) {
			return nil, errors.New("reading the certificate authorities: there is no certificate in PEM form")
		}
	}
	if len(c.ClientCertPEM) == 0 && len(c.ClientKeyPEM) == 0 {
		return config, nil
	}
	pair, err := tls.X509KeyPair(c.ClientCertPEM, c.ClientKeyPEM)
	if err != nil {
		return nil, fmt.Errorf("reading the client certificate and key: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// newTransport gives a transport that asks no proxy, speaks HTTP/1.1 only (so that what has been sent is known from
// the connection alone), and keeps connections or not.
func newTransport(tlsConfig *tls.Config, connections int, keep bool) *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        tlsConfig.Clone(),
		Protocols:              protocols,
		DisableKeepAlives:      !keep,
		DisableCompression:     true, // a small body must not unfold into a large one
		MaxConnsPerHost:        connections,
		MaxIdleConnsPerHost:    connections,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
	}
}
