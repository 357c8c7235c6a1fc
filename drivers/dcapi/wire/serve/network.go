package serve

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"stargate.io/stargate/drivers/dcapi/wire"
)

// grace is how long a request that is under way has when a server goes off the network.
const grace = 2 * time.Second

// Authenticated asks for a token, where there is one, of everything but GET /health.
func Authenticated(token string, next http.Handler) http.Handler {
	want := []byte("Bearer " + token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := []byte(r.Header.Get("Authorization"))
		if token != "" && r.URL.Path != "/health" && subtle.ConstantTimeCompare(got, want) != 1 {
			Refuse(w, Refused(http.StatusUnauthorized, wire.CodeUnauthorized, "the bearer token is missing or not the site's"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Token reads the site's token from a file; no path gives none.
func Token(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path) //nolint:gosec // the file is the operator's choice
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", errors.New("reading the token: the file is empty")
	}
	return token, nil
}

// TLS gives the configuration of a site with a certificate and key in PEM files; nil where the site is to be served in
// the clear. With a file of authorities the site asks its clients for a certificate of theirs.
func TLS(cert, key, clientCA string) (*tls.Config, error) {
	if cert == "" && key == "" {
		if clientCA != "" {
			return nil, errors.New("reading --client-ca: it needs --tls-cert and --tls-key")
		}
		return nil, nil // no TLS is not an error
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("reading the site's certificate and key: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if clientCA == "" {
		return config, nil
	}
	authority, err := os.ReadFile(clientCA) //nolint:gosec // the file is the operator's choice
	if err != nil {
		return nil, fmt.Errorf("reading the clients' authority: %w", err)
	}
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(authority) {
		return nil, errors.New("reading the clients' authority: there is no certificate in PEM form")
	}
	return config, nil
}

// Listen takes an address, under TLS where there is a configuration of it, and gives the URL to reach it by.
func Listen(ctx context.Context, address string, tlsConfig *tls.Config) (net.Listener, string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, "", fmt.Errorf("listening: %w", err)
	}
	if tlsConfig == nil {
		return listener, "http://" + listener.Addr().String(), nil
	}
	return tls.NewListener(listener, tlsConfig), "https://" + listener.Addr().String(), nil
}

// Until serves until the context ends, then lets what is under way finish for a moment. stop is called first, so that
// what waits in the site ends.
func Until(ctx context.Context, server *http.Server, listener net.Listener, stop func()) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		stop()
		graceful, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		err = server.Shutdown(graceful)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
	}
	if err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
