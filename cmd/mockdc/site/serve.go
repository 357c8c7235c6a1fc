package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"stargate.io/stargate/drivers/dcapi/wire/serve"
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
	tlsConfig, err := serve.TLS(config.TLSCert, config.TLSKey, config.ClientCA)
	if err != nil {
		return errors.Join(err, site.Close())
	}
	listener, address, err := serve.Listen(ctx, config.Listen, tlsConfig)
	if err != nil {
		return errors.Join(err, site.Close())
	}
	if config.Log != nil {
		_, _ = fmt.Fprintf(config.Log, "mockdc %s: DC API %s on %s, %s a repave, %d events on record\n",
			site.config.Name, site.config.API, address, site.config.Duration, len(site.Record()))
	}
	server := &http.Server{Handler: site, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	return errors.Join(serve.Until(ctx, server, listener, site.stop), site.Close())
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
	token, err := serve.Token(c.TokenFile)
	if err != nil {
		return nil, err
	}
	if c.TokenFile != "" {
		c.Site.Token = token
	}
	if c.Dir == "" {
		return New(c.Site), nil
	}
	return Open(c.Site, c.Dir)
}
