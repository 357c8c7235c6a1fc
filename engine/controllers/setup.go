package controllers

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/admission"
	"stargate.io/stargate/engine/ledger"
)

// Options of the reconcilers.
type Options struct {
	// Process names this controller process; no two that live at once may share it.
	Process string
	// Scope is the set of namespaces that are looked after.
	Scope Scope
	// Fallback serves namespaces without a Datacenter; nil for none.
	Fallback drivers.Driver
	// Workers that reconcile Operations at once.
	Workers int
	// SecretsEvery is how often Secrets are looked at again; zero for 30s.
	SecretsEvery time.Duration
	// Recorder of events.
	Recorder record.EventRecorder
	// Background is the context of indexing and of calls to sites. It outlives the manager's, so
	// that a stop does not cut off a request whose reply would then be lost.
	Background context.Context
	// Fleets says which Fleets are worked.
	Fleets FleetOptions
	// Hooks says how hooks are run; without scripts none are.
	Hooks HookOptions
	// Leading tells whether no other process can be at work, though this one stops; nil for never.
	Leading func() bool
	// Vouches tells what the API server sees to now; nil for nothing. OnVouches has a function called
	// after each change of that.
	Vouches   func() admission.Vouches
	OnVouches func(do func())
	// Nodes says that the Nodes of the cluster may be listed and watched: then Servers say which of them they are.
	Nodes bool
	// Epoch waits until no other process's intents are taken any more, and gives the number that this one's
	// carry; nil for none. Refused tells whether an intent was refused because another leads.
	Epoch   func(context.Context) (int64, error)
	Refused func(error) bool
}

// orNothing fills in what a caller has nothing to say of.
func (o Options) orNothing() Options {
	o.SecretsEvery = cmp.Or(o.SecretsEvery, secretsEvery)
	if o.Vouches == nil {
		o.Vouches = func() admission.Vouches { return admission.Vouches{} }
	}
	if o.OnVouches == nil {
		o.OnVouches = func(func()) {}
	}
	if o.Leading == nil {
		o.Leading = func() bool { return false }
	}
	if o.Refused == nil {
		o.Refused = func(error) bool { return false }
	}
	return o
}

// Setup wires the reconcilers into a manager.
func Setup(mgr ctrl.Manager, options Options) error {
	if err := Index(options.Background, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	options = options.orNothing()
	clk := clock.RealClock{}
	live := mgr.GetAPIReader()
	places := ledger.New()
	reachable := newSites(mgr.GetClient(), live, clk, options.Fallback, options.SecretsEvery)
	servers, roster := newNewest[*v1alpha1.Server](), newRoster()
	ops := &Operations{
		client: mgr.GetClient(), live: live, clock: clk, sites: reachable, recorder: options.Recorder,
		rebuild: &rebuild{live: live, ledger: places, scope: options.Scope, elected: options.Epoch},
		scope:   options.Scope, process: options.Process, background: options.Background, leading: options.Leading,
		operations: newNewest[*v1alpha1.Operation](), servers: servers,
		known:  map[types.NamespacedName]seen{},
		roster: roster, vouches: options.Vouches, refused: options.Refused,
	}
	sweep := newSweeper(places, clk, ops.wake)
	counts := newCensus(places, roster, mgr.GetClient(), clk, sweep)
	judges := &Policies{client: mgr.GetClient(), live: live, clock: clk, recorder: options.Recorder, ledger: places, sweeper: sweep, look: &lastLook{live: live}}
	ops.census, ops.rebuild.census, ops.policies, ops.rebuild.policies = counts, counts, judges, judges
	ops.gate = &ledgerGate{ledger: places, clock: clk, sweeper: sweep, tell: ops.notice}
	ops.calls = newCalls(clk, ops.wake)
	if err := setupHooks(mgr, ops, options); err != nil {
		return err
	}
	if err := setupOperations(mgr, ops, options); err != nil {
		return err
	}
	// What admission vouches for is part of what they are judged by.
	options.OnVouches(func() { sweep.told(places.Waiting()) })
	if err := setupPolicies(mgr, judges); err != nil {
		return err
	}
	if err := setupBackground(mgr, sweep, ops); err != nil {
		return err
	}
	if err := setupServers(mgr, options, &Servers{client: mgr.GetClient(), live: live, clock: clk, sites: reachable, scope: options.Scope, servers: servers, census: counts, nodes: options.Nodes}); err != nil {
		return err
	}
	if err := setupGroups(mgr, &Groups{
		client: mgr.GetClient(), live: live, clock: clk, sites: reachable, scope: options.Scope, recorder: options.Recorder,
		operations: ops.operations, servers: servers, groups: newNewest[*v1alpha1.ServerGroup](),
		roster: roster, census: counts, pace: newPace(), secrets: map[types.NamespacedName]documented{},
	}); err != nil {
		return err
	}
	if options.Fleets.Work {
		if err := setupFleets(mgr, newFleets(mgr, options, reachable), options.Fleets.NoticeAddress); err != nil {
			return err
		}
	}
	return setupDatacenters(mgr, &Datacenters{client: mgr.GetClient(), live: live, clock: clk, sites: reachable, scope: options.Scope, ledger: places})
}

// setupBackground has the manager run what is nobody's reconciliation.
func setupBackground(mgr ctrl.Manager, sweep *sweeper, ops *Operations) error {
	if err := mgr.Add(manager.RunnableFunc(sweep.run)); err != nil {
		return fmt.Errorf("adding the sweep of who waits: %w", err)
	}
	if err := mgr.Add(manager.RunnableFunc(ops.drain)); err != nil {
		return fmt.Errorf("adding the end of calls: %w", err)
	}
	return nil
}

func setupOperations(mgr ctrl.Manager, r *Operations, options Options) error {
	b := ctrl.NewControllerManagedBy(mgr).Named("operation").
		For(&v1alpha1.Operation{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: options.Workers}).
		Watches(&v1alpha1.Server{}, peers(r.client, r.ofServer)).
		Watches(&v1alpha1.ProvisioningProfile{}, handler.EnqueueRequestsFromMapFunc(r.ofProfile), onSpecOrLabels()).
		Watches(&v1alpha1.Datacenter{}, handler.EnqueueRequestsFromMapFunc(r.ofNamespace), onSpecOrLabels()).
		Watches(&v1alpha1.Datacenter{}, r.census.watchSites()).
		Watches(&v1alpha1.Operation{}, r.census.watchEnds()).
		Watches(&v1alpha1.ServerGroup{}, handler.EnqueueRequestsFromMapFunc(r.ofGroup), onSpecOrLabels()).
		Watches(&v1alpha1.Fleet{}, handler.EnqueueRequestsFromMapFunc(r.ofFleet), onSpec()).
		Watches(&v1alpha1.Hook{}, handler.EnqueueRequestsFromMapFunc(r.ofHook), onSpec()).
		WatchesRawSource(source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.queue = queue
			return nil
		}))
	if err := watchScope(b, mgr, options.Scope, &v1alpha1.OperationList{}).Complete(r); err != nil {
		return fmt.Errorf("setting up the Operation reconciler: %w", err)
	}
	return nil
}

func setupServers(mgr ctrl.Manager, options Options, r *Servers) error {
	b := ctrl.NewControllerManagedBy(mgr).Named("server").
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).
		Watches(&v1alpha1.Server{}, peers(r.client, itself)).
		Watches(&v1alpha1.Operation{}, handler.EnqueueRequestsFromMapFunc(serverOfGone), builder.WithPredicates(predicate.Funcs{
			CreateFunc: never[event.CreateEvent], UpdateFunc: never[event.UpdateEvent], GenericFunc: never[event.GenericEvent],
		})).
		Watches(&v1alpha1.ProvisioningProfile{}, handler.EnqueueRequestsFromMapFunc(r.adopters), onSpec())
	if err := r.watchNodes(options.Background, b, mgr); err != nil {
		return err
	}
	if err := watchScope(b, mgr, r.scope, &v1alpha1.ServerList{}).Complete(r); err != nil {
		return fmt.Errorf("setting up the Server reconciler: %w", err)
	}
	return nil
}

func setupDatacenters(mgr ctrl.Manager, r *Datacenters) error {
	b := ctrl.NewControllerManagedBy(mgr).Named("datacenter").
		WithOptions(controller.Options{MaxConcurrentReconciles: 16}).
		For(&v1alpha1.Datacenter{}, onSpec())
	if err := watchScope(b, mgr, r.scope, &v1alpha1.DatacenterList{}).Complete(r); err != nil {
		return fmt.Errorf("setting up the Datacenter reconciler: %w", err)
	}
	return nil
}

// watchScope puts what is in a Namespace into the queue when the Namespace comes into the scope.
func watchScope(b *builder.Builder, mgr ctrl.Manager, scope Scope, list client.ObjectList) *builder.Builder {
	if scope.Selector == nil {
		return b
	}
	namespaces := &metav1.PartialObjectMetadata{}
	namespaces.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return b.WatchesMetadata(namespaces, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, namespace client.Object) []reconcile.Request {
		if !scope.note(namespace) {
			return nil
		}
		objects := list.DeepCopyObject().(client.ObjectList) //nolint:forcetypeassert // a copy has the type of its original
		if err := mgr.GetClient().List(ctx, objects, client.InNamespace(namespace.GetName())); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "listing what came into the scope", "namespace", namespace.GetName())
			return nil
		}
		var requests []reconcile.Request
		_ = meta.EachListItem(objects, func(object runtime.Object) error {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(object.(client.Object))}) //nolint:forcetypeassert // items of an ObjectList are Objects
			return nil
		})
		return requests
	}))
}

// onSpec passes over changes of status.
func onSpec() builder.Predicates {
	return builder.WithPredicates(predicate.GenerationChangedPredicate{})
}

// onSpecOrLabels passes over changes of status, and of annotations: policies read labels.
func onSpecOrLabels() builder.Predicates {
	return builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{}))
}

func never[E any](E) bool { return false }

// ofServer gives the live Operations of a Server, and the one that has the claim: it may have ended
// before its claim was seen.
func (r *Operations) ofServer(ctx context.Context, object client.Object) []reconcile.Request {
	requests := r.liveWhere(ctx, object.GetNamespace(), client.MatchingFields{indexServer: object.GetName()})
	if server, ok := object.(*v1alpha1.Server); ok && server.Status.ActiveOperation != nil {
		owner := types.NamespacedName{Namespace: server.Namespace, Name: server.Status.ActiveOperation.Name}
		requests = append(requests, reconcile.Request{NamespacedName: owner})
	}
	return requests
}

// ofProfile gives the live Operations that use a profile.
func (r *Operations) ofProfile(ctx context.Context, profile client.Object) []reconcile.Request {
	return r.liveWhere(ctx, profile.GetNamespace(), client.MatchingFields{indexProfile: profile.GetName()})
}

// ofNamespace gives the live Operations beside an object.
func (r *Operations) ofNamespace(ctx context.Context, object client.Object) []reconcile.Request {
	return r.liveWhere(ctx, object.GetNamespace(), client.MatchingFields{indexLive: "true"})
}

func (r *Operations) liveWhere(ctx context.Context, namespace string, fields client.MatchingFields) []reconcile.Request {
	var list v1alpha1.OperationList
	if err := r.client.List(ctx, &list, client.InNamespace(namespace), fields); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing live Operations", "namespace", namespace)
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// serverOfGone gives the Server that a deleted Operation was for.
func serverOfGone(_ context.Context, object client.Object) []reconcile.Request {
	op, ok := object.(*v1alpha1.Operation)
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: op.Namespace, Name: op.Spec.ServerRef.Name}}}
}
