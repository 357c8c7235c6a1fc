// Package engine wires everything into one manager: `stargate run`.
//
// In: a client configuration and options. Out: reconcilers that run until their context ends. It
// holds no decisions of its own.
package engine

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/dcapi"
	"stargate.io/stargate/engine/admission"
	"stargate.io/stargate/engine/controllers"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/policies/hooks"
)

// Options of `stargate run`.
type Options struct {
	// RESTConfig reaches the API server.
	RESTConfig *rest.Config
	// Namespaces that are looked after; empty for all.
	Namespaces []string
	// NamespaceSelector that a Namespace's labels must match; empty for all.
	NamespaceSelector string
	// LeaderElect lets one of several replicas work at a time.
	LeaderElect bool
	// LeaderElectionNamespace holds the Lease, and the Secrets that Fleets name: it is the controller's own.
	LeaderElectionNamespace string
	// LeaseDuration, RenewDeadline and RetryPeriod of the election; zero for 15s, 10s and 2s.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
	// DatacenterURL serves namespaces that have no Datacenter; empty for none.
	DatacenterURL string
	// Kinds are the custom resource definitions that commits are checked against. Without them no Fleet is
	// worked.
	Kinds []*unstructured.Unstructured
	// Admission are the admission policies and bindings that are to be installed. What those that are not
	// would see to is not believed.
	Admission []*unstructured.Unstructured
	// Fleets that are worked, by name; empty for all where all namespaces are looked after, and for none
	// where only some are: of several instances one works a Fleet.
	Fleets []string
	// NoticeAddress is where push notices are taken; empty or "0" for nowhere.
	NoticeAddress string
	// MetricsAddress, HealthAddress and PprofAddress to listen on; empty or "0" for none.
	MetricsAddress, HealthAddress, PprofAddress string
	// Workers that reconcile Operations at once; zero for 16.
	Workers int
	// HookWorkers that run hooks at once, zero for 8, and HookDeadline of one run, zero for 30s.
	HookWorkers  int
	HookDeadline time.Duration
	// SecretsEvery is how often Secrets are looked at again, which no watch tells about; zero for 30s.
	SecretsEvery time.Duration
	// ClientQPS and ClientBurst bound the requests to the API server; zero for no bound, which leaves
	// it to the server's own fairness.
	ClientQPS   float32
	ClientBurst int
	// Logger for everything.
	Logger logr.Logger
}

// Scheme of the kinds that Stargate reads and writes.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			// Registering types fails only where two share a name, which a build either has or not.
			panic(err)
		}
	}
	return scheme
}

var setLogger sync.Once

// Run looks after the fleet until ctx ends. It returns nil on a clean stop.
func Run(ctx context.Context, options Options) error {
	own, err := ownOptions(options)
	if err != nil {
		return err
	}
	restConfig := clientConfig(options)
	election, err := newLead(restConfig, options, own.Process)
	if err != nil {
		return err
	}
	mgr, err := newManager(restConfig, options, election)
	if err != nil {
		return err
	}
	leading, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	election.lost = lost
	recorder, stop, err := eventRecorder(options.RESTConfig, mgr.GetScheme())
	if err != nil {
		return err
	}
	defer stop()
	scripts := hooks.NewPool(hooks.Options{Workers: options.HookWorkers})
	defer scripts.Close()
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	watching, done := context.WithCancel(ctx)
	guards, ended, err := admission.Watch(watching, restConfig, options.Admission)
	if err != nil {
		done()
		return err
	}
	defer ended()
	defer done()
	if own.Hooks, err = hookOptions(mgr, restConfig, scripts, options); err != nil {
		return err
	}
	own.Recorder, own.Background = recorder, background
	// Who is told to stop keeps the lease until everything has ended; who lost it was not told.
	own.Leading = func() bool { return options.LeaderElect && ctx.Err() != nil }
	own.Vouches, own.OnVouches = guards.Vouches, guards.OnChange
	own.Epoch, own.Refused = election.epoch, election.refused
	own.Nodes = mayWatchNodes(ctx, mgr.GetAPIReader(), options.Logger)
	if err := controllers.Setup(mgr, own); err != nil {
		return err
	}
	if err := mgr.Start(leading); err != nil {
		return fmt.Errorf("running the controllers: %w", err)
	}
	if ctx.Err() == nil && leading.Err() != nil {
		return context.Cause(leading)
	}
	return nil
}

// ownOptions are what the controllers need to be told that takes no cluster to know.
func ownOptions(options Options) (controllers.Options, error) {
	own := controllers.Options{Workers: cmp.Or(options.Workers, 16), SecretsEvery: options.SecretsEvery}
	var err error
	if own.Scope, err = scopeOf(options); err != nil {
		return own, err
	}
	if own.Fallback, err = fallbackDriver(options.DatacenterURL); err != nil {
		return own, err
	}
	if own.Process, err = processName(); err != nil {
		return own, err
	}
	own.Fleets, err = fleetOptions(options)
	return own, err
}

// clientConfig reaches the API server as the controller does.
func clientConfig(options Options) *rest.Config {
	restConfig := rest.CopyConfig(options.RESTConfig)
	restConfig.UserAgent = "stargate"
	restConfig.QPS, restConfig.Burst = options.ClientQPS, options.ClientBurst
	if restConfig.QPS == 0 {
		restConfig.QPS = -1
	}
	return restConfig
}

func newManager(restConfig *rest.Config, options Options, election *lead) (ctrl.Manager, error) {
	// It is the process's, not the manager's: two in one process, as tests have them, would race.
	setLogger.Do(func() { ctrl.SetLogger(options.Logger) })
	own := managerOptions(options)
	own.LeaderElectionResourceLockInterface = election.lock
	mgr, err := ctrl.NewManager(restConfig, own)
	if err != nil {
		return nil, fmt.Errorf("making the manager: %w", err)
	}
	election.probe = mgr.GetClient()
	return mgr, addHealth(mgr)
}

// fleetOptions says which Fleets are worked, and how.
func fleetOptions(options Options) (controllers.FleetOptions, error) {
	some := len(options.Namespaces) > 0 || options.NamespaceSelector != ""
	fleets := controllers.FleetOptions{
		Work: len(options.Kinds) > 0 && (!some || len(options.Fleets) > 0), Names: options.Fleets,
		Namespace: options.LeaderElectionNamespace, NoticeAddress: options.NoticeAddress,
	}
	if !fleets.Work {
		return fleets, nil
	}
	crds := make([]*apiextensionsv1.CustomResourceDefinition, 0, len(options.Kinds))
	for _, kind := range options.Kinds {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(kind.Object, crd); err != nil {
			return fleets, fmt.Errorf("reading CustomResourceDefinition %s: %w", kind.GetName(), err)
		}
		crds = append(crds, crd)
	}
	var err error
	fleets.Schemas, err = tree.Compile(crds)
	return fleets, err
}

func managerOptions(options Options) ctrl.Options {
	manager := ctrl.Options{
		Scheme: Scheme(), Logger: options.Logger,
		LeaderElection: options.LeaderElect, LeaderElectionID: leaseName,
		LeaderElectionNamespace:       options.LeaderElectionNamespace,
		LeaderElectionReleaseOnCancel: true,
		HealthProbeBindAddress:        orNone(options.HealthAddress),
		PprofBindAddress:              options.PprofAddress,
		Metrics:                       metricsserver.Options{BindAddress: orNone(options.MetricsAddress)},
		// Two managers in one process, as tests have them, may use the same names.
		Controller:              config.Controller{SkipNameValidation: ptr.To(true)},
		GracefulShutdownTimeout: ptr.To(15 * time.Second),
		// What nobody here reads is not kept: it is a third of an object.
		Cache: cache.Options{DefaultTransform: cache.TransformStripManagedFields(),
			ByObject: map[client.Object]cache.ByObject{&corev1.Node{}: {Transform: controllers.StripNode}}},
	}
	if len(options.Namespaces) > 0 {
		manager.Cache.DefaultNamespaces = map[string]cache.Config{}
		for _, namespace := range options.Namespaces {
			manager.Cache.DefaultNamespaces[namespace] = cache.Config{}
		}
	}
	if options.LeaseDuration > 0 {
		manager.LeaseDuration, manager.RenewDeadline, manager.RetryPeriod = &options.LeaseDuration, &options.RenewDeadline, &options.RetryPeriod
	}
	return manager
}

func orNone(address string) string {
	if address == "" {
		return "0"
	}
	return address
}

func scopeOf(options Options) (controllers.Scope, error) {
	var selector labels.Selector
	if options.NamespaceSelector != "" {
		parsed, err := labels.Parse(options.NamespaceSelector)
		if err != nil {
			return controllers.Scope{}, fmt.Errorf("reading --namespace-selector %q: %w", options.NamespaceSelector, err)
		}
		selector = parsed
	}
	return controllers.NewScope(options.Namespaces, selector), nil
}

func fallbackDriver(url string) (drivers.Driver, error) {
	if url == "" {
		return nil, nil
	}
	driver, err := dcapi.New(dcapi.Config{Endpoint: url, Name: "--dc-url"})
	if err != nil {
		return nil, fmt.Errorf("reading --dc-url: %w", err)
	}
	return driver, nil
}

// mayWatchNodes tells whether the Nodes of the cluster may be read. Who may not works all the same, but Servers do not
// say which of them they are. What the API server cannot tell now it will when they are watched.
func mayWatchNodes(ctx context.Context, live client.Reader, logger logr.Logger) bool {
	err := live.List(ctx, &corev1.NodeList{}, client.Limit(1))
	if !apierrors.IsForbidden(err) {
		return true
	}
	logger.Info("nodes may not be read: status.nodeName of Servers is left as it is; bind the ClusterRole stargate-nodes to have it kept", "reason", err.Error())
	return false
}

// processName is unlike that of any other process.
func processName() (string, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "stargate"
	}
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fmt.Errorf("naming the process: %w", err)
	}
	return host + "-" + hex.EncodeToString(random[:]), nil
}

// eventRecorder tells events through a client of its own, slowly, so that a storm of them never
// stands in the way of a write that matters; what does not fit is dropped, as events may be.
func eventRecorder(base *rest.Config, scheme *runtime.Scheme) (record.EventRecorder, func(), error) {
	slow := rest.CopyConfig(base)
	slow.QPS, slow.Burst = 20, 50
	slow.UserAgent = "stargate-events"
	clients, err := kubernetes.NewForConfig(slow)
	if err != nil {
		return nil, nil, fmt.Errorf("making the events' client: %w", err)
	}
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: clients.CoreV1().Events(metav1.NamespaceAll)})
	return broadcaster.NewRecorder(scheme, corev1.EventSource{Component: "stargate"}), broadcaster.Shutdown, nil
}
