package controllers

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// indexProvider is the field by which Nodes are found that say which Server they are.
const indexProvider = "providerID"

// StripNode leaves of a Node what tells which Server it is: a cluster of thousands would fill the cache with what
// nobody here reads.
func StripNode(object any) (any, error) {
	node, ok := object.(*corev1.Node)
	if !ok {
		return object, nil
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: node.Name, UID: node.UID, ResourceVersion: node.ResourceVersion},
		Spec:       corev1.NodeSpec{ProviderID: node.Spec.ProviderID},
		Status:     corev1.NodeStatus{Addresses: node.Status.Addresses},
	}, nil
}

// nodeNames are those of the Nodes that a Server is, or could be by its name.
func nodeNames(object client.Object) []string {
	server, ok := object.(*v1alpha1.Server)
	if !ok {
		return nil
	}
	if name := server.Status.NodeName; name != "" && name != server.Name {
		return []string{server.Name, name}
	}
	return []string{server.Name}
}

// watchNodes has the Server reconciler hear of Nodes, where it may.
func (r *Servers) watchNodes(ctx context.Context, b *builder.Builder, mgr ctrl.Manager) error {
	if !r.nodes {
		return nil
	}
	err := mgr.GetFieldIndexer().IndexField(ctx, &corev1.Node{}, indexProvider, func(object client.Object) []string {
		node, ok := object.(*corev1.Node)
		if !ok || node.Spec.ProviderID == "" {
			return nil
		}
		return []string{node.Spec.ProviderID}
	})
	if err != nil {
		return fmt.Errorf("indexing %s: %w", indexProvider, err)
	}
	b.Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(r.ofNode), builder.WithPredicates(predicate.Funcs{UpdateFunc: anotherNode})).
		Watches(&v1alpha1.Server{}, handler.EnqueueRequestsFromMapFunc(r.namesakes), onSpec())
	return nil
}

// anotherNode passes over what a kubelet reports every few minutes.
func anotherNode(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*corev1.Node)
	after, is := e.ObjectNew.(*corev1.Node)
	return !ok || !is || before.UID != after.UID || before.Spec.ProviderID != after.Spec.ProviderID ||
		!slices.Equal(before.Status.Addresses, after.Status.Addresses)
}

// ofNode gives the Servers that a Node is, was, or could be.
func (r *Servers) ofNode(ctx context.Context, object client.Object) []reconcile.Request {
	requests := r.called(ctx, object.GetName())
	if node, ok := object.(*corev1.Node); ok {
		if key, ok := operation.OfProviderID(node.Spec.ProviderID); ok {
			requests = append(requests, reconcile.Request{NamespacedName: key})
		}
	}
	return requests
}

// namesakes gives the Servers of a name: whether one of them is the Node of that name hangs on the others.
func (r *Servers) namesakes(ctx context.Context, server client.Object) []reconcile.Request {
	return r.called(ctx, server.GetName())
}

func (r *Servers) called(ctx context.Context, name string) []reconcile.Request {
	var list v1alpha1.ServerList
	if err := r.client.List(ctx, &list, client.MatchingFields{indexNode: name}, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing Servers by their node", "node", name)
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// withNode puts the node that a Server is into its status; status is the one to be written, nil for none.
func (r *Servers) withNode(ctx context.Context, server *v1alpha1.Server, status *v1alpha1.ServerStatus) (*v1alpha1.ServerStatus, error) {
	if !r.nodes {
		return status, nil
	}
	nodes, err := r.candidates(ctx, server)
	if err != nil {
		return nil, err
	}
	shared := false
	if len(nodes) > 0 {
		if shared, err = r.shared(ctx, server); err != nil {
			return nil, err
		}
	}
	base := status
	if base == nil {
		base = &server.Status
	}
	if next := operation.DecideNode(server, base, nodes, shared); next != nil {
		return next, nil
	}
	return status, nil
}

// candidates are the Nodes that a Server may be.
func (r *Servers) candidates(ctx context.Context, server *v1alpha1.Server) ([]operation.Node, error) {
	var list corev1.NodeList
	if err := r.client.List(ctx, &list, client.MatchingFields{indexProvider: operation.ProviderID(server)}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("looking for the node of Server %s/%s: %w", server.Namespace, server.Name, err)
	}
	var named corev1.Node
	err := r.client.Get(ctx, client.ObjectKey{Name: server.Name}, &named)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading node %s: %w", server.Name, err)
	}
	if !apierrors.IsNotFound(err) && named.Spec.ProviderID != operation.ProviderID(server) {
		list.Items = append(list.Items, named)
	}
	nodes := make([]operation.Node, 0, len(list.Items))
	for i := range list.Items {
		nodes = append(nodes, nodeFacts(&list.Items[i]))
	}
	return nodes, nil
}

func nodeFacts(node *corev1.Node) operation.Node {
	facts := operation.Node{Name: node.Name, UID: string(node.UID), ProviderID: node.Spec.ProviderID}
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			facts.InternalIPs = append(facts.InternalIPs, address.Address)
		}
	}
	return facts
}

// shared tells whether another Server, of whatever datacenter, has this one's name and address.
func (r *Servers) shared(ctx context.Context, server *v1alpha1.Server) (bool, error) {
	var list v1alpha1.ServerList
	if err := r.client.List(ctx, &list, client.MatchingFields{indexNode: server.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("looking for Servers called %s: %w", server.Name, err)
	}
	return slices.ContainsFunc(list.Items, func(other v1alpha1.Server) bool {
		return other.UID != server.UID && other.Name == server.Name && other.Spec.IPv4 == server.Spec.IPv4
	}), nil
}
