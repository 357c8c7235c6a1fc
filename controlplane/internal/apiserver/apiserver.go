// Package apiserver runs kube-apiserver in this process.
//
// In: a bound listener, key files, etcd's address, limits. Out: a server that
// can be run and asked whether it is ready. It must never serve a request that
// was not authorized: Node and RBAC decide, and anonymous requests reach health,
// version and what a joining node must read, nothing else.
package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	apioptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	"stargate.io/stargate/controlplane/internal/pki"
)

// Config is what the API server needs to know.
type Config struct {
	Listener  net.Listener // bound already, so that the port is known and a taken one is told early
	Advertise net.IP       // where others reach it
	ServiceIP net.IPNet    // range of Service addresses
	Keys      pki.Bundle
	Etcd      string // etcd's client address
	Dir       string // for configuration files that the API server reads
	AuditLog  string // file of audit events at metadata level; empty for none

	MaxInFlight         int // reads at once
	MaxMutatingInFlight int // writes at once
}

// Server is an API server that is wired but not yet serving.
type Server struct {
	run      func(context.Context) error
	hooks    map[string]genericapiserver.PostStartHookFunc
	loopback *rest.Config
	release  context.CancelFunc // ends what New began in the background
}

// New wires the server and opens its connections to etcd. What it begins lasts
// until Run has returned.
func New(c Config) (_ *Server, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			cancel()
		}
	}()
	completed, err := complete(ctx, c)
	if err != nil {
		return nil, err
	}
	config, err := app.NewConfig(completed)
	if err != nil {
		return nil, fmt.Errorf("configuring kube-apiserver: %w", err)
	}
	hooks, err := lateHooks()
	if err != nil {
		return nil, err
	}
	for name := range hooks {
		config.KubeAPIs.ControlPlane.Generic.DisabledPostStartHooks.Insert(name)
	}
	ready, err := config.Complete()
	if err != nil {
		return nil, fmt.Errorf("configuring kube-apiserver: %w", err)
	}
	chain, err := app.CreateServerChain(ready)
	if err != nil {
		return nil, fmt.Errorf("wiring kube-apiserver: %w", err)
	}
	prepared, err := chain.PrepareRun()
	if err != nil {
		return nil, fmt.Errorf("preparing kube-apiserver: %w", err)
	}
	return &Server{run: prepared.Run, hooks: hooks, loopback: chain.GenericAPIServer.LoopbackClientConfig, release: cancel}, nil
}

func complete(ctx context.Context, c Config) (apioptions.CompletedOptions, error) {
	var none apioptions.CompletedOptions
	opts, err := options(c)
	if err != nil {
		return none, err
	}
	// Feature gates are global to the process and take effect here.
	if err := opts.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return none, fmt.Errorf("setting feature gates: %w", err)
	}
	// What the server says to itself needs no deprecation warnings in the log.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	completed, err := opts.Complete(ctx)
	if err != nil {
		return none, fmt.Errorf("completing options of kube-apiserver: %w", err)
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return none, fmt.Errorf("checking options of kube-apiserver: %w", utilerrors.NewAggregate(errs))
	}
	return completed, nil
}

// Run serves until ctx ends, then lets requests in flight finish. It can be
// called once.
func (s *Server) Run(ctx context.Context) error {
	defer s.release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- s.run(ctx) }()
	select {
	case err := <-runLate(ctx, s.Loopback(), s.hooks):
		cancel()
		return errors.Join(err, <-served)
	case err := <-served:
		if err != nil {
			return fmt.Errorf("running kube-apiserver: %w", err)
		}
		return nil
	}
}

// Loopback is a client configuration above all authorization. It never leaves the process.
func (s *Server) Loopback() *rest.Config { return rest.CopyConfig(s.loopback) }
