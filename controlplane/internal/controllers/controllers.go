// Package controllers runs those of Kubernetes' own controllers that a
// management cluster cannot do without, and no others: there is no scheduler
// and nothing here makes pods.
//
// In: how to reach the API server, and key files. Out: controllers that run
// until a context ends. Each acts as its own service account in kube-system,
// with the role that Kubernetes defines for it, and must never hold more.
package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	cacheddiscovery "k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/controller-manager/pkg/clientbuilder"
	"k8s.io/controller-manager/pkg/informerfactory"

	"stargate.io/stargate/controlplane/internal/pki"
)

const (
	// resync is how often informers hand out what they have again, as kube-controller-manager does.
	resync = 12 * time.Hour
	// discover is how often the garbage collector looks for new kinds. It is
	// 30 s in kube-controller-manager; an owner of a kind installed just now
	// should be collected sooner than that.
	discover = 5 * time.Second
)

// Config is what the controllers need to know.
type Config struct {
	URL  string // of the API server, from within this machine
	CA   []byte // PEM, what pods and tokens are told to trust
	Keys pki.Bundle
}

// Set is the controllers, built and running.
type Set struct{ wg sync.WaitGroup }

// Start builds all controllers and runs them until ctx ends. The system
// namespaces and the bootstrap roles must be there.
func Start(ctx context.Context, c Config) (*Set, error) {
	d, err := newDeps(c)
	if err != nil {
		return nil, err
	}
	var runs []func(context.Context)
	for _, k := range all {
		run, err := k.build(ctx, d, k.account)
		if err != nil {
			return nil, fmt.Errorf("building %s: %w", k.name, err)
		}
		runs = append(runs, run)
	}
	d.informers.Start(ctx.Done())
	d.anyInformers.Start(ctx.Done())
	close(d.informersStarted)
	s := &Set{}
	for _, run := range runs {
		s.wg.Go(func() { run(ctx) })
	}
	s.wg.Go(func() { wait.UntilWithContext(ctx, func(context.Context) { d.mapper.Reset() }, discover) })
	s.wg.Go(func() {
		<-ctx.Done()
		d.informers.Shutdown()
	})
	return s, nil
}

// Wait returns when every controller has stopped, or when ctx ends.
func (s *Set) Wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for controllers to stop: %w", ctx.Err())
	}
}

// deps is what controllers are built from.
type deps struct {
	Config
	root      *rest.Config // system:kube-controller-manager: may read all and make service accounts, no more
	accounts  clientbuilder.ControllerClientBuilder
	informers informers.SharedInformerFactory
	metadata  metadata.Interface
	mapper    *restmapper.DeferredDiscoveryRESTMapper

	anyInformers     informerfactory.InformerFactory // of every kind; metadata only, where it is not built in
	informersStarted chan struct{}
}

func newDeps(c Config) (*deps, error) {
	// No limit on this side: priority and fairness in the server does it better.
	base := &rest.Config{Host: c.URL, QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAData: c.CA}}
	base.ContentType = "application/vnd.kubernetes.protobuf"
	root := rest.CopyConfig(base)
	root.CertFile, root.KeyFile = c.Keys.Controllers.Cert, c.Keys.Controllers.Key
	rest.AddUserAgent(root, "controllers")
	client, err := kubernetes.NewForConfig(root)
	if err != nil {
		return nil, fmt.Errorf("making client of controllers: %w", err)
	}
	meta, err := metadata.NewForConfig(root)
	if err != nil {
		return nil, fmt.Errorf("making metadata client of controllers: %w", err)
	}
	d := &deps{
		Config:    c,
		root:      root,
		accounts:  clientbuilder.NewDynamicClientBuilder(base, client.CoreV1(), "kube-system"),
		informers: informers.NewSharedInformerFactoryWithOptions(client, resync, informers.WithTransform(withoutManagedFields)),
		metadata:  meta,
		mapper:    restmapper.NewDeferredDiscoveryRESTMapper(cacheddiscovery.NewMemCacheClient(discovery.DiscoveryInterface(client.Discovery()))),

		informersStarted: make(chan struct{}),
	}
	d.anyInformers = informerfactory.NewInformerFactory(d.informers,
		metadatainformer.NewSharedInformerFactoryWithOptions(meta, resync, metadatainformer.WithTransform(withoutManagedFields)))
	return d, nil
}

// withoutManagedFields halves what informers keep; no controller here reads them.
func withoutManagedFields(obj any) (any, error) {
	if accessor, err := meta.Accessor(obj); err == nil {
		accessor.SetManagedFields(nil)
	}
	return obj, nil
}
