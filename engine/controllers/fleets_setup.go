package controllers

import (
	"context"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/labels"
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
	"stargate.io/stargate/gitsync/apply"
	"stargate.io/stargate/gitsync/tree"
)

const (
	// indexFleet finds the groups of a fleet.
	indexFleet = "fleet"
	// fleetWorkers decide at once. What takes long runs beside them.
	fleetWorkers = 4
	// readers of commits at once, of all fleets.
	fleetReaders = 2
)

// FleetOptions of the Fleet reconciler.
type FleetOptions struct {
	// Work Fleets at all.
	Work bool
	// Names of the Fleets that are worked; empty for all.
	Names []string
	// Namespace that is the controller's own: the Secrets that Fleets name are read there only.
	Namespace string
	// Schemas that commits are checked against.
	Schemas *tree.Schemas
	// NoticeAddress is where push notices are taken; empty or "0" for nowhere.
	NoticeAddress string
}

func newFleets(mgr ctrl.Manager, options Options, reachable *sites) *Fleets {
	return &Fleets{
		client: mgr.GetClient(), live: mgr.GetAPIReader(), clock: clock.RealClock{}, recorder: options.Recorder, scope: options.Scope, sites: reachable,
		namespace: options.Fleets.Namespace, names: options.Fleets.Names, schemas: options.Fleets.Schemas, background: options.Background,
		fleets: newNewest[*v1alpha1.Fleet](), courses: map[string]*course{}, reading: make(chan struct{}, fleetReaders),
	}
}

func setupFleets(mgr ctrl.Manager, r *Fleets, address string) error {
	if err := mgr.GetFieldIndexer().IndexField(r.background, &v1alpha1.ServerGroup{}, indexFleet, func(object client.Object) []string {
		if name := object.GetLabels()[v1alpha1.LabelFleet]; name != "" {
			return []string{name}
		}
		return nil
	}); err != nil {
		return fmt.Errorf("indexing %s: %w", indexFleet, err)
	}
	b := ctrl.NewControllerManagedBy(mgr).Named("fleet").
		WithOptions(controller.Options{MaxConcurrentReconciles: fleetWorkers}).
		For(&v1alpha1.Fleet{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		WatchesRawSource(source.Func(func(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.queue = queue
			return nil
		}))
	for _, kind := range []client.Object{&v1alpha1.Server{}, &v1alpha1.ProvisioningProfile{}, &v1alpha1.Datacenter{}, &v1alpha1.Policy{},
		&v1alpha1.Hook{}, &v1alpha1.ServerGroup{}} {
		b = b.Watches(kind, r.touches())
	}
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("setting up the Fleet reconciler: %w", err)
	}
	if err := mgr.Add(manager.RunnableFunc(r.drain)); err != nil {
		return fmt.Errorf("adding the end of syncs: %w", err)
	}
	if address == "" || address == "0" {
		return nil
	}
	if err := mgr.Add(&notices{address: address, client: r.client, live: r.live, clock: r.clock, fleets: r, namespace: r.namespace, secrets: map[string]pushSecret{}}); err != nil {
		return fmt.Errorf("adding the push notices: %w", err)
	}
	return nil
}

// touches has a fleet look at its objects again soon after somebody changed one, and at its groups as
// soon as they say something else.
func (r *Fleets) touches() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, _ requests) {
			if !e.IsInInitialList {
				r.touch(e.Object, false)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ requests) { r.touch(e.Object, true) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q requests) {
			switch {
			case !sameWords(e.ObjectOld, e.ObjectNew):
				r.touch(e.ObjectOld, false)
				r.touch(e.ObjectNew, false)
			case letGo(e.ObjectOld, e.ObjectNew):
				if c := r.courseFor(e.ObjectNew); c != nil && c.waits() {
					r.touch(e.ObjectNew, false)
				}
			default:
				if group, ok := e.ObjectNew.(*v1alpha1.ServerGroup); ok && group.Labels[v1alpha1.LabelFleet] != "" {
					q.Add(reconcile.Request{NamespacedName: client.ObjectKey{Name: group.Labels[v1alpha1.LabelFleet]}})
				}
			}
		},
	}
}

// sameWords tells whether nothing changed but status.
func sameWords(before, after client.Object) bool {
	return before.GetGeneration() == after.GetGeneration() && labels.Equals(before.GetLabels(), after.GetLabels()) &&
		maps.Equal(before.GetAnnotations(), after.GetAnnotations()) && (before.GetDeletionTimestamp() == nil) == (after.GetDeletionTimestamp() == nil)
}

// letGo tells whether an Operation gave a Server back, which may wait to be pruned.
func letGo(before, after client.Object) bool {
	was, ok := before.(*v1alpha1.Server)
	is, also := after.(*v1alpha1.Server)
	return ok && also && was.Status.ActiveOperation != nil && is.Status.ActiveOperation == nil
}

// courseFor gives what is known of the fleet that an object comes from; nil for none.
func (r *Fleets) courseFor(object client.Object) *course {
	name := object.GetLabels()[v1alpha1.LabelFleet]
	if name == "" {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.courses[name]
}

// touch marks that an object of a fleet changed, and that the cache shows it so.
func (r *Fleets) touch(object client.Object, gone bool) {
	c := r.courseFor(object)
	if c == nil {
		return
	}
	key := keyOf(object)
	if gone {
		c.sent.drop(key)
	} else {
		c.sent.seen(key, object)
	}
	if c.touch(r.clock.Now()) {
		r.wake(object.GetLabels()[v1alpha1.LabelFleet], 0)
	}
}

func keyOf(object client.Object) tree.Key {
	if known, ok := object.(apply.Object); ok {
		return apply.KeyOf(known)
	}
	return tree.Key{}
}
