package controllers

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/engine/operation"
)

// operationsOf is an API server's Operations.
type operationsOf struct {
	client.Reader
	items []v1alpha1.Operation
}

// List implements client.Reader.
func (o *operationsOf) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if ops, ok := list.(*v1alpha1.OperationList); ok {
		ops.Items = o.items
	}
	return nil
}

// TestNamespaceComesBack: a namespace leaves the scope while an Operation runs, which somebody else
// sees out and deletes. When the namespace comes back, its server and its place are free, and what
// this process knew of calls does not count any more.
func TestNamespaceComesBack(t *testing.T) {
	ctx := context.Background()
	scope := NewScope(nil, labels.SelectorFromSet(labels.Set{"stargate": "a"}))
	namespace := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "dc", Labels: map[string]string{"stargate": "a"}}}
	gone := namespace.DeepCopy()
	gone.Labels = nil
	running := v1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: "running", UID: "u1"},
		Spec:       v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: "s"}},
		Status: v1alpha1.OperationStatus{Phase: v1alpha1.OperationRunning, DecidedOn: &v1alpha1.DecidedOn{Datacenter: "site"},
			Attempts: []v1alpha1.Attempt{{Number: 1, RequestID: "u1-1", By: "me"}}},
	}
	live, places := &operationsOf{items: []v1alpha1.Operation{running}}, ledger.New()
	r := &Operations{calls: newCalls(clock.RealClock{}, nil), operations: newNewest[*v1alpha1.Operation](), known: map[types.NamespacedName]seen{},
		rebuild: &rebuild{live: live, ledger: places, scope: scope, census: newCensus(places, newRoster(), live, clock.RealClock{}, newSweeper(places, clock.RealClock{}, nil))}, scope: scope}
	next := ledger.Ask{UID: "u2", Key: "dc/next", Server: "dc/s", Site: "dc/site", Limit: 1}

	scope.note(namespace)
	if err := r.count(ctx, "dc"); err != nil {
		t.Fatal(err)
	}
	if verdict := places.Request(next, time.Now()); verdict.Admitted || verdict.Holds[0].Reason != v1alpha1.ReasonServerBusy {
		t.Errorf("%+v while an Operation runs on the server", verdict)
	}
	r.remember(types.NamespacedName{Namespace: "dc", Name: "running"}, "u1")
	r.calls.intend("u1", "u1-1")

	scope.note(gone)
	live.items = nil
	scope.note(namespace)
	if err := r.count(ctx, "dc"); err != nil {
		t.Fatal(err)
	}
	if verdict := places.Request(next, time.Now()); !verdict.Admitted {
		t.Errorf("%+v: what ran there has ended meanwhile", verdict)
	}
	snapshot := operation.Snapshot{Operation: &running}
	if r.calls.tell("u1", "me", &snapshot); snapshot.NotLanded {
		t.Error("an intent counts as never sent, though somebody else may have sent it")
	}
}

// TestWhatIsOldTakesNoNamespaceOut: the watches of four kinds tell of the same changes, each in its own time.
func TestWhatIsOldTakesNoNamespaceOut(t *testing.T) {
	at := func(version, value string) *metav1.PartialObjectMetadata {
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: "dc", ResourceVersion: version, Labels: map[string]string{"stargate": value}}}
	}
	scope := NewScope(nil, labels.SelectorFromSet(labels.Set{"stargate": "a"}))
	for _, step := range []struct {
		what      string
		namespace *metav1.PartialObjectMetadata
		in        bool
	}{
		{"it is not in", at("9", "b"), false},
		{"it comes in", at("10", "a"), true},
		{"the second watch tells what was before", at("9", "b"), true},
		{"and what is now", at("10", "a"), true},
		{"it goes", at("11", "b"), false},
		{"a late watch still has it in", at("10", "a"), false},
	} {
		if got := scope.note(step.namespace); got != step.in || scope.Has("dc") != step.in {
			t.Fatalf("%s: it is told as in: %v, and is: %v", step.what, got, scope.Has("dc"))
		}
	}
	if entry := scope.entry("dc"); entry != 0 {
		t.Errorf("it is gone, and has entry %d", entry)
	}
}
