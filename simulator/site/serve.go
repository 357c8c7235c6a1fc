package site

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"stargate.io/stargate/drivers/dcapi/wire/serve"
)

// Serve answers on a listener until the context ends, lets what is under way finish for a moment, and closes the site.
// Jobs that are live then go on when the simulator is started again.
func (s *Site) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	return errors.Join(serve.Until(ctx, server, listener, s.stop), s.Close())
}
