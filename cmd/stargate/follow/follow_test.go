package follow_test

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/follow"
	"stargate.io/stargate/engine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// listing is a client that lists and then watches: the fake one cannot list by watching, which is what
// a real API server is asked for (test/cli covers that).
type listing struct{ client.WithWatch }

func (listing) IsWatchListSemanticsUnSupported() bool { return true }

func server(name string) *v1alpha1.Server {
	return &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "dc-west"}}
}

var selection = follow.Selection{List: &v1alpha1.ServerList{}, Object: &v1alpha1.Server{}, Namespace: "dc-west"}

// next gives the next event as "Type name".
func next(t *testing.T, events <-chan follow.Event) string {
	t.Helper()
	event, open := <-events
	switch {
	case !open:
		return "closed"
	case event.Object == nil:
		return string(event.Type)
	}
	return string(event.Type) + " " + event.Object.GetName()
}

func expect(t *testing.T, events <-chan follow.Event, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if got := next(t, events); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestFollowTellsWhatIsThereThenWhatChanges(t *testing.T) {
	c := fake.NewClientBuilder().WithScheme(engine.Scheme()).WithObjects(server("a")).Build()
	ctx, cancel := context.WithCancel(t.Context())
	_, events := follow.Follow(ctx, listing{c}, selection)
	expect(t, events, "Changed a", "Synced")

	if err := c.Create(ctx, server("b")); err != nil {
		t.Fatal(err)
	}
	expect(t, events, "Changed b")
	if err := c.Delete(ctx, server("a")); err != nil {
		t.Fatal(err)
	}
	expect(t, events, "Gone a")
	cancel()
	expect(t, events, "closed")
}

func TestFollowEndsWhereNothingGetsBetter(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "servers"}, "", errors.New("not you"))
	refuse := interceptor.Funcs{List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
		return forbidden
	}}
	c := fake.NewClientBuilder().WithScheme(engine.Scheme()).WithInterceptorFuncs(refuse).Build()
	ctx, events := follow.Follow(t.Context(), listing{c}, selection)
	expect(t, events, "closed")
	if cause := context.Cause(ctx); !apierrors.IsForbidden(cause) {
		t.Errorf("ended with %v, want the refusal", cause)
	}
}

func TestFollowGoesOnAfterALostConnection(t *testing.T) {
	failed := false
	flaky := interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
		if !failed {
			failed = true
			return errors.New("connection reset")
		}
		return c.List(ctx, list, options...)
	}}
	c := fake.NewClientBuilder().WithScheme(engine.Scheme()).WithObjects(server("a")).WithInterceptorFuncs(flaky).Build()
	ctx, cancel := context.WithCancel(t.Context())
	_, events := follow.Follow(ctx, listing{c}, selection)
	expect(t, events, "Lost", "Changed a", "Synced")
	cancel()
	expect(t, events, "closed")
}
