// Package e2e shows what Stargate does through its front door: a real API server, real HTTP to
// datacenters that pretend, and the controllers as they run.
package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/test/cluster"
)

// patience is how long something that must happen may take on a busy machine.
const patience = 60 * time.Second

// World is a control plane with datacenters that pretend and a running controller.
type World struct {
	testing.TB
	Cluster *cluster.Cluster
	Client  client.Client
}

// NewWorld gives a world on the package's control plane.
func NewWorld(tb testing.TB) *World {
	tb.Helper()
	c := cluster.Shared(tb)
	kube, err := client.New(c.Config, client.Options{Scheme: engine.Scheme()})
	if err != nil {
		tb.Fatal(err)
	}
	return &World{TB: tb, Cluster: c, Client: kube}
}

// Run starts a controller for namespaces, and stops it with the test.
func (w *World) Run(options engine.Options) (stop func()) {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	if options.RESTConfig == nil {
		options.RESTConfig = w.Cluster.Config
	}
	if options.Logger.GetSink() == nil {
		options.Logger = logr.Discard()
	}
	done := make(chan error, 1)
	go func() { done <- engine.Run(ctx, options) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			w.Errorf("the controller ended with: %v", err)
		}
	}
	w.Cleanup(stop)
	return stop
}

// Datacenter opens a site in a namespace of its own, with the Datacenter object that points to it.
func (w *World) Datacenter(config site.Config, change func(*v1alpha1.Datacenter)) (namespace string, s *site.Site) {
	w.Helper()
	namespace = w.Cluster.Namespace(w)
	config.Name = namespace
	url, s := w.OpenSite(config)
	dc := &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "dc"},
		Spec: v1alpha1.DatacenterSpec{Driver: v1alpha1.DriverDCAPI, Endpoint: url}}
	if change != nil {
		change(dc)
	}
	w.Create(dc)
	return namespace, s
}

// Create an object.
func (w *World) Create(objects ...client.Object) {
	w.Helper()
	for _, object := range objects {
		if err := w.Client.Create(context.Background(), object); err != nil {
			w.Fatalf("creating %T %s: %v", object, object.GetName(), err)
		}
	}
}

// Server object number n.
func Server(namespace string, n int) *v1alpha1.Server {
	return &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("server-%03d", n)},
		Spec: v1alpha1.ServerSpec{MAC: fmt.Sprintf("aa:bb:cc:dd:%02x:%02x", n>>8, n&0xff), IPv4: fmt.Sprintf("10.0.%d.%d", n>>8, n&0xff)}}
}

// Profile object for an OS version.
func Profile(namespace, name, version string) *v1alpha1.ProvisioningProfile {
	return &v1alpha1.ProvisioningProfile{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.ProvisioningProfileSpec{OSVersion: version, OSImage: "https://images.example.com/" + version + ".img"}}
}

// Repave is an Operation that repaves a server.
func Repave(namespace, name, server, profile string) *v1alpha1.Operation {
	return &v1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: server},
			ProvisioningProfileRef: &v1alpha1.LocalReference{Name: profile}, Operation: v1alpha1.ActionRepave}}
}

// Until waits until an object is there and as it should be.
func (w *World) Until(object client.Object, what string, is func() bool) {
	w.Helper()
	w.untilRead(object, what, func(err error) bool { return err == nil && is() })
}

// UntilOrGone waits until an object is as it should be, or there is none, which gives false.
func (w *World) UntilOrGone(object client.Object, what string, is func() bool) (there bool) {
	w.Helper()
	w.untilRead(object, what+", or gone", func(err error) bool {
		there = err == nil
		return there && is() || apierrors.IsNotFound(err)
	})
	return there
}

// untilRead reads an object, with what error, until that is as it should be.
func (w *World) untilRead(object client.Object, what string, is func(err error) bool) {
	w.Helper()
	key := client.ObjectKeyFromObject(object)
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := w.Client.Get(context.Background(), key, object)
		if is(err) {
			return
		}
		select {
		case <-deadline.C:
			w.Fatalf("%T %s never was %s: %v\n%+v", object, key, what, err, object)
		case <-tick.C:
		}
	}
}

// UntilPhase waits for an Operation's phase.
func (w *World) UntilPhase(op *v1alpha1.Operation, phase v1alpha1.OperationPhase) {
	w.Helper()
	w.Until(op, string(phase), func() bool {
		if op.Status.Phase.Terminal() && op.Status.Phase != phase {
			w.Fatalf("Operation %s ended %s: %s", op.Name, op.Status.Phase, op.Status.Message)
		}
		return op.Status.Phase == phase
	})
}
