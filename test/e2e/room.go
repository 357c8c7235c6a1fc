package e2e

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/engine"
)

// Quick is how long a repave takes where its length is not the point.
const Quick = 200 * time.Millisecond

// Room is a namespace of its own, with one site behind the Datacenter "dc" and the profile "os".
type Room struct {
	*World
	Namespace string
	Site      *site.Site
}

// Room makes one; the controller is started by Start.
func (w *World) Room(config site.Config) *Room {
	w.Helper()
	return w.RoomWith(config, nil)
}

// RoomWith makes one whose Datacenter is changed before it is created.
func (w *World) RoomWith(config site.Config, change func(*v1alpha1.Datacenter)) *Room {
	w.Helper()
	if config.Duration == 0 {
		config.Duration = Quick
	}
	namespace, s := w.Datacenter(config, change)
	w.Create(Profile(namespace, "os", "2.0.0"))
	return &Room{World: w, Namespace: namespace, Site: s}
}

// Start runs a controller for the room alone.
func (r *Room) Start(changes ...func(*engine.Options)) (stop func()) {
	r.Helper()
	options := engine.Options{Namespaces: []string{r.Namespace}}
	for _, change := range changes {
		change(&options)
	}
	return r.Run(options)
}

// OpenSite serves a site that no Datacenter points to yet.
func (w *World) OpenSite(config site.Config) (url string, s *site.Site) {
	w.Helper()
	s = site.New(config)
	server := httptest.NewServer(s)
	w.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		if err := s.Close(); err != nil {
			w.Error(err)
		}
	})
	return server.URL, s
}

// Server in the room.
func (r *Room) Server(n int) *v1alpha1.Server { return Server(r.Namespace, n) }

// Repave in the room, of server n with the profile "os".
func (r *Room) Repave(name string, n int) *v1alpha1.Operation {
	return Repave(r.Namespace, name, Server(r.Namespace, n).Name, "os")
}

// Do is an Operation in the room other than a repave.
func (r *Room) Do(name string, action v1alpha1.Action, n int) *v1alpha1.Operation {
	return &v1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: name},
		Spec: v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: r.Server(n).Name}, Operation: action}}
}

// DC is the room's Datacenter as it is now.
func (r *Room) DC() *v1alpha1.Datacenter {
	r.Helper()
	dc := &v1alpha1.Datacenter{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "dc"}}
	r.Refresh(dc)
	return dc
}

// Refresh reads an object that must be there.
func (w *World) Refresh(object client.Object) {
	w.Helper()
	if err := w.Client.Get(context.Background(), client.ObjectKeyFromObject(object), object); err != nil {
		w.Fatalf("reading %T %s: %v", object, object.GetName(), err)
	}
}

// Edit changes an object, again where somebody else wrote it meanwhile.
func (w *World) Edit(object client.Object, change func()) {
	w.Helper()
	for {
		w.Refresh(object)
		change()
		err := w.Client.Update(context.Background(), object)
		if err == nil {
			return
		}
		if !apierrors.IsConflict(err) {
			w.Fatalf("editing %T %s: %v", object, object.GetName(), err)
		}
	}
}

// Delete an object.
func (w *World) Delete(objects ...client.Object) {
	w.Helper()
	for _, object := range objects {
		if err := w.Client.Delete(context.Background(), object); err != nil {
			w.Fatalf("deleting %T %s: %v", object, object.GetName(), err)
		}
	}
}

// DeleteNow deletes an object that no controller is there to let go, or that somebody will not wait
// for: its finalizers are taken away by hand.
func (w *World) DeleteNow(object client.Object) {
	w.Helper()
	w.Delete(object)
	clear := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	if err := client.IgnoreNotFound(w.Client.Patch(context.Background(), object, clear)); err != nil {
		w.Fatalf("letting %T %s go: %v", object, object.GetName(), err)
	}
}

// UntilGone waits until an object is no more.
func (w *World) UntilGone(object client.Object) {
	w.Helper()
	w.Eventually(fmt.Sprintf("%T %s to be gone", object, object.GetName()), func() bool {
		return apierrors.IsNotFound(w.Client.Get(context.Background(), client.ObjectKeyFromObject(object), object))
	}, object)
}

// Eventually waits until something is so. Where it never is, the objects are shown as they were last.
func (w *World) Eventually(what string, is func() bool, objects ...client.Object) {
	w.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			for _, object := range objects {
				w.Logf("%+v", object)
			}
			w.Fatalf("waited in vain for %s", what)
		}
	}
}

// UntilHeld waits until an Operation says that it waits for a reason, and checks that it says so in
// every place where people look, with the given words.
func (w *World) UntilHeld(op *v1alpha1.Operation, reason string, words ...string) {
	w.Helper()
	w.Until(op, "held for "+reason, func() bool {
		if op.Status.Phase.Terminal() {
			w.Fatalf("Operation %s ended %s instead of being held for %s: %s", op.Name, op.Status.Phase, reason, op.Status.Message)
		}
		return len(op.Status.Holds) > 0 && op.Status.Holds[0].Reason == reason
	})
	hold := op.Status.Holds[0]
	w.mentions(op, hold.Message, words...)
	held := meta.FindStatusCondition(op.Status.Conditions, v1alpha1.ConditionHeld)
	if held == nil || held.Status != metav1.ConditionTrue || held.Reason != reason || op.Status.Message != hold.Message {
		w.Errorf("Operation %s is held for %s, but its condition is %+v and its message %q", op.Name, reason, held, op.Status.Message)
	}
	if hold.ClearsWhen == "" && hold.Until == nil {
		w.Errorf("Operation %s does not say what clears %s", op.Name, reason)
	}
}

// UntilEnded waits for an end with a reason, and checks its message for the given words.
func (w *World) UntilEnded(op *v1alpha1.Operation, phase v1alpha1.OperationPhase, reason string, words ...string) {
	w.Helper()
	w.UntilPhase(op, phase)
	ready := meta.FindStatusCondition(op.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Reason != reason {
		w.Errorf("Operation %s ended %s with the condition %+v, not for %s", op.Name, phase, ready, reason)
	}
	w.mentions(op, op.Status.Message, words...)
	if op.Status.CompletionTime == nil || len(op.Status.Holds) > 0 {
		w.Errorf("Operation %s ended %s, but says: completion %v, holds %+v", op.Name, phase, op.Status.CompletionTime, op.Status.Holds)
	}
}

func (w *World) mentions(object client.Object, message string, words ...string) {
	w.Helper()
	for _, word := range words {
		if !strings.Contains(message, word) {
			w.Errorf("%T %s says %q, without a word of %q", object, object.GetName(), message, word)
		}
	}
}

// UntilCondition waits for a condition with a reason, and checks its message for the given words.
func (w *World) UntilCondition(object client.Object, conditions *[]metav1.Condition, kind, reason string, words ...string) {
	w.Helper()
	found := &metav1.Condition{}
	w.Until(object, kind+" for "+reason, func() bool {
		found = meta.FindStatusCondition(*conditions, kind)
		return found != nil && found.Reason == reason
	})
	w.mentions(object, found.Message, words...)
}

// Events of a kind in a site's record.
func Events(s *site.Site, kind site.EventKind) []site.Event {
	return slices.DeleteFunc(s.Record(), func(e site.Event) bool { return e.Kind != kind })
}

// Unasked fails unless the site never got a request that could change a machine. To void a request
// id changes none: it makes sure that nothing comes of it.
func (r *Room) Unasked() {
	r.Helper()
	got := slices.DeleteFunc(Events(r.Site, site.Received), func(e site.Event) bool { return e.Path == "/jobs/cancel" })
	if got = append(got, Events(r.Site, site.Accepted)...); len(got) > 0 {
		r.Errorf("the site was asked for something: %+v", got)
	}
}

// Accepted fails unless the site made that many jobs for a server.
func (r *Room) Accepted(server string, want int) {
	r.Helper()
	got := slices.DeleteFunc(Events(r.Site, site.Accepted), func(e site.Event) bool { return e.ServerID != server })
	if len(got) != want {
		r.Errorf("the site made %d jobs for %s, not %d: %+v", len(got), server, want, got)
	}
}

// Unclaimed fails unless the Server has no claim on it.
func (r *Room) Unclaimed(server *v1alpha1.Server) {
	r.Helper()
	r.Refresh(server)
	if server.Status.ActiveOperation != nil {
		r.Errorf("Server %s still has the claim of %+v", server.Name, server.Status.ActiveOperation)
	}
}

// In gives the same room to a subtest.
func (r *Room) In(tb testing.TB) *Room {
	world := *r.World
	world.TB = tb
	return &Room{World: &world, Namespace: r.Namespace, Site: r.Site}
}
