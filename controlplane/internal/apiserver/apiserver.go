// Package apiserver runs kube-apiserver in this process.
//
// In: a bound listener, key files, etcd's address, limits. Out: a server that
// can be run and asked whether it is ready. It must never serve a request that
// was not authorized: Node and RBAC decide, and anonymous requests reach health,
// version and what a joining node must read, nothing else.
package apiserver

import (
	"context"
	"fmt"
	"net"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"

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
	loopback *rest.Config
}

// New wires the server and opens its connections to etcd. ctx bounds what the
// server does in the background; end it only after Run has returned.
func New(ctx context.Context, c Config) (*Server, error) {
	opts, err := options(c)
	if err != nil {
		return nil, err
	}
	// Feature gates are global to the process and take effect here.
	if err := opts.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return nil, fmt.Errorf("setting feature gates: %w", err)
	}
	// What the server says to itself needs no deprecation warnings in the log.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	completed, err := opts.Complete(ctx)
	if err != nil {
		return nil, fmt.Errorf("completing options of kube-apiserver: %w", err)
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return nil, fmt.Errorf("checking options of kube-apiserver: %w", utilerrors.NewAggregate(errs))
	}
	config, err := app.NewConfig(completed)
	if err != nil {
		return nil, fmt.Errorf("configuring kube-apiserver: %w", err)
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
	return &Server{run: prepared.Run, loopback: chain.GenericAPIServer.LoopbackClientConfig}, nil
}

// Run serves until ctx ends, then lets requests in flight finish.
func (s *Server) Run(ctx context.Context) error {
	if err := s.run(ctx); err != nil {
		return fmt.Errorf("running kube-apiserver: %w", err)
	}
	return nil
}

// Loopback is a client configuration above all authorization. It never leaves the process.
func (s *Server) Loopback() *rest.Config { return rest.CopyConfig(s.loopback) }
