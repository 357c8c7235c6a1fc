package controllers

import (
	"context"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// serversWith is a cache of Servers, indexed by identity.
type serversWith struct {
	client.Reader
	servers []v1alpha1.Server
}

// List implements client.Reader.
func (s serversWith) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	asked := (&client.ListOptions{}).ApplyOptions(options)
	found := list.(*v1alpha1.ServerList) //nolint:forcetypeassert // nothing else is asked for
	for i := range s.servers {
		key, _ := asked.FieldSelector.RequiresExactMatch(indexIdentity)
		if slices.Contains(operation.Identities(&s.servers[i].Spec), key) {
			found.Items = append(found.Items, s.servers[i])
		}
	}
	return nil
}

// TestCorrectedPeer: two Servers shared a MAC, and the one that was wrong is corrected. What waits
// for the other must hear of it, whether or not the other's conditions ever told of the conflict.
func TestCorrectedPeer(t *testing.T) {
	server := func(name, mac string, generation int64) *v1alpha1.Server {
		return &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: name, Generation: generation},
			Spec: v1alpha1.ServerSpec{MAC: mac}}
	}
	right, wrong, corrected := server("right", "aa:bb:cc:dd:ee:01", 1), server("wrong", "AA:BB:CC:DD:EE:01", 1), server("wrong", "aa:bb:cc:dd:ee:02", 2)
	operations := func(_ context.Context, server client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: "dc", Name: "repave-" + server.GetName()}}}
	}
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer queue.ShutDown()
	peers(serversWith{servers: []v1alpha1.Server{*right, *corrected}}, operations).
		Update(context.Background(), event.UpdateEvent{ObjectOld: wrong, ObjectNew: corrected}, queue)
	var woken []string
	for queue.Len() > 0 {
		request, _ := queue.Get()
		woken = append(woken, request.Name)
	}
	slices.Sort(woken)
	if !slices.Equal(woken, []string{"repave-right", "repave-wrong"}) {
		t.Errorf("woke %v", woken)
	}
}
