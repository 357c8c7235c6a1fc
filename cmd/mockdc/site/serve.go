package site

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// ServeConfig says how a site is put on the network.
type ServeConfig struct {
	Site Config
	// Dir keeps the record; empty keeps it in memory.
	Dir string
	// Listen is the address, "host:port".
	Listen string
	// TokenFile holds the site's token; empty asks for none.
	TokenFile string
	// TLSCert and TLSKey are PEM files; both or neither. ClientCA makes the site ask for a certificate from it.
	TLSCert, TLSKey, ClientCA string
	// Faults as ParseFault reads them.
	Faults []string
	// Log gets a line when the site listens.
	Log io.Writer
}

// Serve runs a site until the context ends.
// Errors: a file cannot be read, a fault is not known, the address is taken, the record is damaged.
func Serve(ctx context.Context, config ServeConfig) error {
	site, err := config.open()
	if err != nil {
		return err
	}
	tlsConfig, err := config.tls()
	if err != nil {
		return errors.Join(err, site.Close())
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", config.Listen)
	if err != nil {
		return errors.Join(fmt.Errorf("listening: %w", err), site.Close())
	}
	scheme := "http"
	if tlsConfig != nil {
		scheme, listener = "https", tls.NewListener(listener, tlsConfig)
	}
	if config.Log != nil {
		_, _ = fmt.Fprintf(config.Log, "mockdc %s: DC API %s on %s://%s, %s a repave, %d events on record\n",
			site.config.Name, site.config.API, scheme, listener.Addr(), site.config.Duration, len(site.Record()))
	}
	return site.serve(ctx, listener)
}

// serve answers until the context ends, then lets what is under way finish for a moment.
func (s *Site) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		s.stop()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		err = server.Shutdown(grace)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
			err = errors.Join(err, ended)
		}
	}
	if err != nil {
		err = fmt.Errorf("serving: %w", err)
	}
	return errors.Join(err, s.Close())
}

func (c ServeConfig) open() (*Site, error) {
	for _, text := range c.Faults {
		fault, err := ParseFault(text)
		if err != nil {
			return nil, err
		}
		c.Site.Faults = append(c.Site.Faults, fault)
	}
	if c.Site.API != "" && c.Site.API != V1 && c.Site.API != V2 {
		return nil, fmt.Errorf("reading --api: %q is neither v1 nor v2", c.Site.API)
	}
	if c.TokenFile != "" {
		token, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("reading the token: %w", err)
		}
		if c.Site.Token = strings.TrimSpace(string(token)); c.Site.Token == "" {
			return nil, errors.New("reading the token: the file is empty")
		}
	}
	if c.Dir == "" {
		return New(c.Site), nil
	}
	return Open(c.Site, c.Dir)
}

// tls gives nil where the site is to be served in the clear.
func (c ServeConfig) tls() (*tls.Config, error) {
	if c.TLSCert == "" && c.TLSKey == "" {
		if c.ClientCA != "" {
			return nil, errors.New("reading --client-ca: it needs --tls-cert and --tls-key")
		}
		return nil, nil // no TLS is not an error
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, fmt.Errorf("reading the site's certificate and key: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if c.ClientCA == "" {
		return config, nil
	}
	authority, err := os.ReadFile(c.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("reading the clients' authority: %w", err)
	}
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(authority) {
		return nil, errors.New("reading the clients' authority: there is no certificate in PEM form")
	}
	return config, nil
}
