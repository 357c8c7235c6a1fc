package controllers

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// Servers reconciles what people ask of a Server itself: a release, an adoption, a deletion; and
// what nobody else would notice: a claim without an owner, an identity that two share.
type Servers struct {
	client  client.Client
	live    client.Reader
	clock   clock.Clock
	sites   *sites
	scope   Scope
	servers *newest[*v1alpha1.Server]
	census  *census
	// nodes says that Nodes may be looked at.
	nodes bool
}

// Reconcile brings one Server up to date.
func (r *Servers) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	server := &v1alpha1.Server{}
	if err := r.client.Get(ctx, request.NamespacedName, server); err != nil || !r.scope.Has(request.Namespace) {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	server = r.servers.of(server)
	status, err := r.decide(ctx, server)
	if err != nil {
		return reconcile.Result{}, err
	}
	if status != nil {
		next := server.DeepCopy()
		next.Status = *status
		if err := r.client.Status().Update(ctx, next); err != nil {
			return r.setBack(server, err)
		}
		r.servers.wrote(next)
		r.census.server(next)
		server = next
	}
	if server.DeletionTimestamp == nil || server.Status.ActiveOperation != nil || !slices.Contains(server.Finalizers, v1alpha1.Finalizer) {
		return reconcile.Result{}, nil
	}
	next := server.DeepCopy()
	next.Finalizers = slices.DeleteFunc(next.Finalizers, func(f string) bool { return f == v1alpha1.Finalizer })
	if err := r.client.Update(ctx, next); err != nil {
		return r.setBack(server, err)
	}
	return reconcile.Result{}, nil
}

// decide gathers what is around a Server, and gives the status that it should have; nil for the one that it has.
func (r *Servers) decide(ctx context.Context, server *v1alpha1.Server) (*v1alpha1.ServerStatus, error) {
	shared, err := conflicts(ctx, r.client, server)
	if err != nil {
		return nil, err
	}
	gone, err := r.ownerGone(ctx, server)
	if err != nil {
		return nil, err
	}
	adopted, err := r.adopted(ctx, server)
	if err != nil {
		return nil, err
	}
	return r.withNode(ctx, server, operation.DecideServer(server, adopted, shared, gone, metav1.NewTime(r.clock.Now())))
}

func (r *Servers) setBack(server *v1alpha1.Server, err error) (reconcile.Result, error) {
	r.servers.forget(server.UID)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return reconcile.Result{RequeueAfter: conflictDelay}, nil
	}
	return reconcile.Result{}, fmt.Errorf("writing Server %s/%s: %w", server.Namespace, server.Name, err)
}

// ownerGone tells whether the Operation that has the claim is no more. The cache alone cannot tell:
// it may not have seen the Operation yet.
func (r *Servers) ownerGone(ctx context.Context, server *v1alpha1.Server) (bool, error) {
	owner := server.Status.ActiveOperation
	if owner == nil {
		return false, nil
	}
	key := types.NamespacedName{Namespace: server.Namespace, Name: owner.Name}
	for _, reader := range []client.Reader{r.client, r.live} {
		var op v1alpha1.Operation
		err := reader.Get(ctx, key, &op)
		if err != nil && !apierrors.IsNotFound(err) {
			return false, fmt.Errorf("reading Operation %s: %w", key, err)
		}
		if err == nil && string(op.UID) == owner.UID {
			return false, nil
		}
	}
	return true, nil
}

// adopted resolves the profile that a machine in use is taken to run.
func (r *Servers) adopted(ctx context.Context, server *v1alpha1.Server) (*operation.Profile, error) {
	if server.Spec.Adopt == nil || server.Status.State != v1alpha1.ServerUntouched {
		return nil, nil
	}
	return resolveProfile(ctx, r.client, r.sites, server.Namespace, server.Spec.Adopt.Profile, server)
}

// peers puts into the queue what hangs on a Server, and on all that share something of its identity
// or did before: what frees one from a conflict is a change of the other.
func peers(reader client.Reader, of handler.MapFunc) handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	put := func(ctx context.Context, q queue, server client.Object) {
		for _, request := range of(ctx, server) {
			q.Add(request)
		}
	}
	add := func(ctx context.Context, q queue, object client.Object, others bool) {
		put(ctx, q, object)
		server, ok := object.(*v1alpha1.Server)
		if !ok || !others {
			return
		}
		for _, key := range operation.Identities(&server.Spec) {
			var list v1alpha1.ServerList
			if reader.List(ctx, &list, client.InNamespace(server.Namespace), client.MatchingFields{indexIdentity: key}) != nil {
				continue
			}
			for i := range list.Items {
				put(ctx, q, &list.Items[i])
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { add(ctx, q, e.Object, true) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { add(ctx, q, e.Object, true) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			moved := e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration()
			if moved {
				add(ctx, q, e.ObjectOld, true)
			}
			add(ctx, q, e.ObjectNew, moved)
		},
	}
}

// itself is the Server.
func itself(_ context.Context, server client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(server)}}
}

// adopters gives the Servers that wait to be adopted with a profile.
func (r *Servers) adopters(ctx context.Context, profile client.Object) []reconcile.Request {
	var list v1alpha1.ServerList
	if err := r.client.List(ctx, &list, client.InNamespace(profile.GetNamespace()), client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		if adopt := list.Items[i].Spec.Adopt; adopt != nil && adopt.Profile == profile.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return requests
}
