package controllers

import (
	"context"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"stargate.io/stargate/api/v1alpha1"
)

// groupWorkers reconcile groups at once.
const groupWorkers = 4

type requests = workqueue.TypedRateLimitingInterface[reconcile.Request]

func setupGroups(mgr ctrl.Manager, r *Groups) error {
	b := ctrl.NewControllerManagedBy(mgr).Named("servergroup").
		WithOptions(controller.Options{MaxConcurrentReconciles: groupWorkers}).
		Watches(&v1alpha1.ServerGroup{}, r.watchGroups()).
		Watches(&v1alpha1.Server{}, r.watchServers()).
		Watches(&v1alpha1.Operation{}, handler.EnqueueRequestsFromMapFunc(r.ofOperation), changed(sameOperation)).
		Watches(&v1alpha1.ProvisioningProfile{}, handler.EnqueueRequestsFromMapFunc(r.ofProfile), changed(sameSpec)).
		Watches(&v1alpha1.Fleet{}, handler.EnqueueRequestsFromMapFunc(r.ofFleet), changed(sameFleet))
	if err := watchScope(b, mgr, r.scope, &v1alpha1.ServerGroupList{}).Complete(r); err != nil {
		return fmt.Errorf("setting up the ServerGroup reconciler: %w", err)
	}
	return nil
}

// watchGroups keeps the roster, and looks at a group again where something of it changed that the rollout
// did not write, and at those that share a server with it.
func (r *Groups) watchGroups() handler.EventHandler {
	note := func(object client.Object, q requests) {
		if group, ok := object.(*v1alpha1.ServerGroup); ok {
			known := r.roster.knows(group)
			put(q, group.Namespace, r.roster.setGroup(group))
			put(q, group.Namespace, []string{group.Name})
			if !known {
				r.census.members(group.Namespace)
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q requests) { note(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q requests) {
			if !sameSpec(e.ObjectOld, e.ObjectNew) {
				note(e.ObjectNew, q)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q requests) {
			if group, ok := e.Object.(*v1alpha1.ServerGroup); ok {
				put(q, group.Namespace, r.roster.dropGroup(group))
				put(q, group.Namespace, []string{group.Name})
				r.census.members(group.Namespace)
			}
		},
	}
}

// watchServers keeps the roster, and looks at the groups that a server's change concerns.
func (r *Groups) watchServers() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q requests) {
			if server, ok := e.Object.(*v1alpha1.Server); ok {
				put(q, server.Namespace, r.roster.setServer(server))
				r.census.server(server)
			}
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q requests) {
			server, ok := e.ObjectNew.(*v1alpha1.Server)
			if !ok {
				return
			}
			concerned := r.roster.setServer(server)
			r.census.server(server)
			if before, ok := e.ObjectOld.(*v1alpha1.Server); !ok || !sameServer(before, server) {
				put(q, server.Namespace, concerned)
			}
		},
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q requests) {
			if server, ok := e.Object.(*v1alpha1.Server); ok {
				put(q, server.Namespace, r.roster.dropServer(server))
				r.census.serverGone(server)
			}
		},
	}
}

func put(q requests, namespace string, names []string) {
	for _, name := range names {
		q.Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}})
	}
}

// sameSpec tells whether nothing changed but status.
func sameSpec(a, b client.Object) bool {
	return a.GetUID() == b.GetUID() && a.GetGeneration() == b.GetGeneration() && a.GetDeletionTimestamp().Equal(b.GetDeletionTimestamp()) &&
		maps.Equal(a.GetAnnotations(), b.GetAnnotations()) && maps.Equal(a.GetLabels(), b.GetLabels())
}

// sameServer tells whether a rollout has nothing to learn of a change.
func sameServer(a, b *v1alpha1.Server) bool {
	return sameSpec(a, b) && a.Status.State == b.Status.State && sameApplied(a.Status.Applied, b.Status.Applied) &&
		lastOf(a) == lastOf(b) && claimOf(a) == claimOf(b) && quarantineOf(a) == quarantineOf(b) &&
		sameCondition(a, b, v1alpha1.ConditionReady) && sameCondition(a, b, v1alpha1.ConditionHealthy)
}

func sameApplied(a, b *v1alpha1.Applied) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Hash == b.Hash && a.At.Equal(&b.At)
}

func lastOf(server *v1alpha1.Server) string {
	if server.Status.LastOperation == nil {
		return ""
	}
	return server.Status.LastOperation.UID
}

func claimOf(server *v1alpha1.Server) string {
	if server.Status.ActiveOperation == nil {
		return ""
	}
	return server.Status.ActiveOperation.UID
}

func quarantineOf(server *v1alpha1.Server) string {
	if server.Status.Quarantine == nil {
		return ""
	}
	return server.Status.Quarantine.UID
}

func sameCondition(a, b *v1alpha1.Server, kind string) bool {
	one, other := meta.FindStatusCondition(a.Status.Conditions, kind), meta.FindStatusCondition(b.Status.Conditions, kind)
	if one == nil || other == nil {
		return one == other
	}
	return one.Status == other.Status && one.Reason == other.Reason
}

// sameOperation tells whether a rollout has nothing to learn of a change: it asks whether an Operation has
// started, and whether it has ended.
func sameOperation(a, b client.Object) bool {
	one, ok := a.(*v1alpha1.Operation)
	other, also := b.(*v1alpha1.Operation)
	return ok && also && one.UID == other.UID && one.Status.Phase == other.Status.Phase && len(one.Status.Attempts) == len(other.Status.Attempts) &&
		one.DeletionTimestamp.Equal(other.DeletionTimestamp)
}

// sameFleet tells whether a rollout has nothing to learn of a change.
func sameFleet(a, b client.Object) bool {
	one, ok := a.(*v1alpha1.Fleet)
	other, also := b.(*v1alpha1.Fleet)
	return ok && also && one.UID == other.UID && one.Generation == other.Generation && one.Status.Applies == other.Status.Applies
}

// changed passes over updates that change nothing.
func changed(same func(a, b client.Object) bool) builder.Predicates {
	return builder.WithPredicates(predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool { return !same(e.ObjectOld, e.ObjectNew) }})
}

// ofOperation gives the group whose rollout made an Operation; of one that was made by hand those that
// its server concerns, whose budget it may have used.
func (r *Groups) ofOperation(_ context.Context, object client.Object) []reconcile.Request {
	op, ok := object.(*v1alpha1.Operation)
	if !ok {
		return nil
	}
	if name := op.Labels[v1alpha1.LabelGroup]; name != "" {
		return named(op.Namespace, name)
	}
	return named(op.Namespace, r.roster.ofServer(op.Namespace, op.Spec.ServerRef.Name)...)
}

func (r *Groups) ofProfile(_ context.Context, profile client.Object) []reconcile.Request {
	return named(profile.GetNamespace(), r.roster.ofProfile(profile.GetNamespace(), profile.GetName())...)
}

func (r *Groups) ofFleet(_ context.Context, fleet client.Object) []reconcile.Request {
	var all []reconcile.Request
	for _, key := range r.roster.ofFleet(fleet.GetName()) {
		all = append(all, reconcile.Request{NamespacedName: key})
	}
	return all
}

func named(namespace string, names ...string) []reconcile.Request {
	all := make([]reconcile.Request, 0, len(names))
	for _, name := range names {
		all = append(all, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}})
	}
	return all
}
