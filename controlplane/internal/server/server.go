// Package server brings the parts of the control plane up in order, watches
// over them, and takes them down in the opposite order.
//
//	folder ─▶ port ─▶ keys ─▶ etcd ─▶ API server ─▶ objects, controllers ─▶ ready
//
// In: options. Out: nil after its context ended and all is closed, or what went
// wrong and how to mend it. It must never report ready before a client with the
// kubeconfig can do what it is allowed to.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/version"

	"stargate.io/stargate/controlplane/internal/apiserver"
	"stargate.io/stargate/controlplane/internal/atomicfile"
	"stargate.io/stargate/controlplane/internal/bootstrap"
	"stargate.io/stargate/controlplane/internal/controllers"
	"stargate.io/stargate/controlplane/internal/datadir"
	"stargate.io/stargate/controlplane/internal/etcd"
	"stargate.io/stargate/controlplane/internal/kubeconfig"
	"stargate.io/stargate/controlplane/internal/pki"
)

const (
	startTimeout = 2 * time.Minute // a slow disk, a large database
	stopTimeout  = 30 * time.Second
	readyPoll    = 20 * time.Millisecond
	renewEvery   = 24 * time.Hour
)

// Run serves until ctx ends.
func Run(ctx context.Context, o Options) (err error) {
	began := time.Now()
	addr, err := o.complete()
	if err != nil {
		return err
	}
	dir, err := datadir.Open(o.Data)
	if err != nil {
		return err
	}
	defer dir.Close()
	logs, terminal, closeLog, err := openLog(o)
	if err != nil {
		return err
	}
	defer closeLog()
	p := &plane{options: o, addr: addr, dir: dir, terminal: terminal}
	p.dead, p.fail = context.WithCancelCause(context.Background())
	// Down in the opposite order, whatever of it came up.
	defer func() { err = errors.Join(err, p.stop()) }()
	if err := p.start(ctx, logs); err != nil {
		if ctx.Err() != nil {
			return nil // asked to stop before it was ready: that is no failure
		}
		return err
	}
	if err := p.announce(time.Since(began)); err != nil {
		return err
	}
	return p.watch(ctx)
}

// plane is a control plane on its way up, running, or on its way down.
type plane struct {
	options Options
	addr    address
	dir     *datadir.Dir
	port    int
	keys    pki.Bundle

	terminal io.Writer // for what a person should see

	dead context.Context // ends when a part dies by itself; its cause says of what
	fail context.CancelCauseFunc

	stops []func() error // in the order of starting
}

func (p *plane) start(ctx context.Context, logs io.Writer) error {
	// Wiring a server is all allocation and no garbage worth looking for: without
	// this a fifth of it goes into collecting. What that left is given back after.
	percent := debug.SetGCPercent(400)
	defer func() {
		debug.SetGCPercent(percent)
		go debug.FreeOSMemory()
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout,
		fmt.Errorf("not ready after %s; see %s", startTimeout, p.options.LogFile))
	defer cancel()
	l, err := listen(p.addr.bind, p.options.Port, p.dir.Port())
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	p.port = portOf(l)
	all, err := listenToo(l, p.addr.join)
	if err != nil {
		return err
	}
	l = all
	if err = p.dir.SavePort(p.port); err != nil {
		return err
	}
	if err = p.renew(); err != nil {
		return err
	}
	db, err := etcd.Start(ctx, etcd.Config{
		Dir: p.dir.Path("etcd"), QuotaBytes: p.options.EtcdQuotaBytes, UnsafeNoSync: p.options.UnsafeNoFsync,
		Log: logs, Terminal: p.terminal, Verbose: p.options.Verbosity > 0,
	})
	if err != nil {
		return err
	}
	p.stops = append(p.stops, func() error { db.Stop(); return nil })
	go func() { p.fail(<-db.Failed()) }()
	api, err := p.startAPIServer(l, db.Endpoint())
	if err != nil {
		return err
	}
	return p.settle(ctx, api)
}

// renew makes or renews keys and certificates. The API server and clients read
// the files again when they change.
func (p *plane) renew() error {
	keys, _, err := pki.Ensure(p.dir.Path("pki"), pki.Names{
		DNS: []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		IPs: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, p.addr.local, p.addr.advertise, p.addr.service},
	}, time.Now())
	p.keys = keys
	return err
}

func (p *plane) startAPIServer(l net.Listener, endpoint string) (*apiserver.Server, error) {
	api, err := apiserver.New(apiserver.Config{
		Listener: l, Advertise: p.addr.advertise, ServiceIP: p.addr.services, Keys: p.keys, Etcd: endpoint,
		Dir: p.dir.Path(), AuditLog: p.options.AuditLog,
		MaxInFlight: p.options.MaxInFlight, MaxMutatingInFlight: p.options.MaxMutatingInFlight,
	})
	if err != nil {
		return nil, err
	}
	// Not below the caller's context: the server goes after the controllers.
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		err := api.Run(ctx)
		ended <- err
		if ctx.Err() == nil {
			p.fail(errors.Join(errors.New("kube-apiserver stopped by itself"), err))
		}
	}()
	p.stops = append(p.stops, func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(stopTimeout):
			return fmt.Errorf("stopping kube-apiserver: not done after %s", stopTimeout)
		}
	})
	return api, nil
}

// settle puts objects and controllers in place, and waits for the API server.
func (p *plane) settle(ctx context.Context, api *apiserver.Server) error {
	// A server that dies must not be waited for.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.dead, func() { cancel(context.Cause(p.dead)) })()
	client, err := kubernetes.NewForConfig(api.Loopback())
	if err != nil {
		return fmt.Errorf("making client: %w", err)
	}
	ca, err := os.ReadFile(p.keys.CA.Cert)
	if err != nil {
		return fmt.Errorf("reading certificate authority: %w", err)
	}
	info, err := kubeconfig.ClusterInfo(url(p.addr.advertise, p.port), ca)
	if err != nil {
		return fmt.Errorf("rendering cluster-info: %w", err)
	}
	cluster := bootstrap.Cluster{
		Kubeconfig: info, Name: kubeconfig.Name, Version: version.Get().GitVersion,
		Endpoint: net.JoinHostPort(p.addr.advertise.String(), strconv.Itoa(p.port)), Services: p.addr.services.String(),
	}
	if err := bootstrap.Apply(ctx, client, cluster); err != nil {
		return fmt.Errorf("preparing the cluster: %w", err)
	}
	if err := p.startControllers(ca); err != nil {
		return err
	}
	return untilReady(ctx, client.RESTClient())
}

func (p *plane) startControllers(ca []byte) error {
	ctx, cancel := context.WithCancel(context.Background())
	set, err := controllers.Start(ctx, controllers.Config{URL: url(p.addr.local, p.port), CA: ca, Keys: p.keys})
	if err != nil {
		cancel()
		return fmt.Errorf("starting controllers: %w", err)
	}
	p.stops = append(p.stops, func() error {
		cancel()
		ctx, done := context.WithTimeout(context.Background(), stopTimeout)
		defer done()
		return set.Wait(ctx)
	})
	return nil
}

func untilReady(ctx context.Context, client rest.Interface) error {
	for {
		var code int
		client.Get().AbsPath("/readyz").Do(ctx).StatusCode(&code)
		if code == http.StatusOK {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for kube-apiserver: %w", context.Cause(ctx))
		case <-time.After(readyPoll):
		}
	}
}

// announce writes the kubeconfig and says that all is there.
func (p *plane) announce(took time.Duration) error {
	if err := p.writeKubeconfig(); err != nil {
		return err
	}
	if p.options.ReadyFile != "" {
		if err := atomicfile.Write(p.options.ReadyFile, []byte(url(p.addr.local, p.port)+"\n"), 0o644); err != nil {
			return err
		}
		p.stops = append(p.stops, func() error { return os.Remove(p.options.ReadyFile) })
	}
	fmt.Fprintf(p.options.Stdout, "ready %s in %.1fs\n", url(p.addr.local, p.port), took.Seconds())
	return nil
}

func (p *plane) writeKubeconfig() error {
	content, err := kubeconfig.Admin(url(p.addr.local, p.port), p.keys.CA.Cert, p.keys.Admin)
	if err != nil {
		return err
	}
	return kubeconfig.Write(p.options.Kubeconfig, content)
}

// watch returns when ctx ends or a part dies, and looks after certificates meanwhile.
func (p *plane) watch(ctx context.Context) error {
	tick := time.NewTicker(renewEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.dead.Done():
			return context.Cause(p.dead)
		case <-tick.C:
			if err := errors.Join(p.renew(), p.writeKubeconfig()); err != nil {
				fmt.Fprintf(p.terminal, "controlplane: renewing certificates: %v\n", err)
			}
		}
	}
}

func (p *plane) stop() error {
	var errs []error
	for i := len(p.stops) - 1; i >= 0; i-- {
		errs = append(errs, p.stops[i]())
	}
	return errors.Join(errs...)
}
