package e2e

import (
	"context"
	"errors"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/engine"
)

func (r *Room) label(value string) {
	r.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.Namespace}}
	r.Edit(namespace, func() { metav1.SetMetaDataLabel(&namespace.ObjectMeta, "fleet", value) })
}

// witness is an Operation in another room of the same controller: once it has ended, the controller
// has had its chance to do what it must not do.
func witness(r *Room, name string, n int) {
	op := r.Repave(name, n)
	r.Create(r.Server(n), op)
	succeeds(r, op)
}

// TestNamespaces: two controllers with namespaces of their own each see to theirs alone.
func TestNamespaces(t *testing.T) {
	t.Parallel()
	w := NewWorld(t)
	mine, theirs := w.Room(site.Config{}), w.Room(site.Config{})
	mine.Start()
	op := theirs.Repave("repave", 1)
	theirs.Create(theirs.Server(1), op)
	witness(mine, "witness", 1)
	theirs.Unasked()
	theirs.Refresh(op)
	if len(op.Status.Conditions) > 0 {
		t.Errorf("a controller of another namespace wrote %+v", op.Status)
	}
	theirs.Start()
	succeeds(theirs, op)
	witness(mine, "again", 2)
	mine.Accepted("server-001", 1)
	theirs.Accepted("server-001", 1)
}

// TestNamespaceSelector: a namespace that gains the label is looked after from then on, and one that
// loses it is left alone from then on, with what runs there as it is.
func TestNamespaceSelector(t *testing.T) {
	t.Parallel()
	w := NewWorld(t)
	inside, moving := w.Room(site.Config{}), w.Room(site.Config{})
	value := inside.Namespace // no other test's
	inside.label(value)
	w.Run(engine.Options{NamespaceSelector: "fleet=" + value})
	op, dc := moving.Repave("repave", 1), moving.DC()
	moving.Create(moving.Server(1), op)
	witness(inside, "first", 1)
	moving.Unasked()
	moving.Refresh(dc)
	if len(dc.Status.Conditions) > 0 {
		t.Errorf("a Datacenter outside of the selector was written: %+v", dc.Status)
	}

	moving.label(value)
	succeeds(moving, op)
	moving.UntilCondition(dc, &dc.Status.Conditions, v1alpha1.ConditionReady, v1alpha1.ReasonReady)

	// It loses the label with a job under way.
	moving.fault(site.Fault{Kind: site.Lie, Sort: site.LieRunning})
	running := moving.Repave("running", 2)
	moving.Create(moving.Server(2), running)
	moving.UntilPhase(running, v1alpha1.OperationRunning)
	moving.label("none")
	witness(inside, "second", 2)
	late := moving.Repave("late", 3)
	moving.Create(moving.Server(3), late)
	witness(inside, "third", 3)
	moving.Accepted("server-003", 0)
	moving.Site.ClearFaults()

	// And gains it again: the job is seen out, not made anew.
	moving.label(value)
	succeeds(moving, running)
	succeeds(moving, late)
	moving.Accepted("server-002", 1)
	moving.Accepted("server-003", 1)
	after := moving.Do("after", v1alpha1.ActionInspect, 2)
	moving.Create(after)
	succeeds(moving, after)
}

// TestWrongSelector is refused when the controller starts.
func TestWrongSelector(t *testing.T) {
	t.Parallel()
	w := NewWorld(t)
	err := engine.Run(t.Context(), engine.Options{RESTConfig: w.Cluster.Config, NamespaceSelector: "fleet in ("})
	if err == nil {
		t.Fatal("a selector that cannot be read was taken")
	}
	w.mentions(&corev1.Namespace{}, err.Error(), "--namespace-selector", "fleet in (")
}

// elected has a controller take part in an election of the room's own.
func elected(r *Room) func(*engine.Options) {
	return func(options *engine.Options) {
		options.LeaderElect, options.LeaderElectionNamespace = true, r.Namespace
		options.LeaseDuration, options.RenewDeadline, options.RetryPeriod = 3*time.Second, 2*time.Second, 200*time.Millisecond
	}
}

func (r *Room) leader() string {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: "stargate"}}
	r.Eventually("a leader", func() bool {
		r.Refresh(lease)
		return lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != ""
	})
	return *lease.Spec.HolderIdentity
}

// TestLeaderHandover: one of two works at a time; when it stops, the other sees out what it began,
// without a second job.
func TestLeaderHandover(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.fault(site.Fault{Kind: site.Lie, Sort: site.LieRunning})
	stop := r.Start(elected(r))
	op := r.Repave("repave", 1)
	r.Create(r.Server(1), op)
	r.UntilPhase(op, v1alpha1.OperationRunning)
	first := r.leader()
	r.Start(elected(r))

	stop()
	r.Eventually("another leader", func() bool { return r.leader() != first })
	second := r.Repave("second", 2)
	r.Create(r.Server(2), second)
	r.UntilPhase(second, v1alpha1.OperationRunning)
	if by := second.Status.LastAttempt().By; by == op.Status.LastAttempt().By {
		t.Errorf("both attempts were made by %s", by)
	}
	r.Site.ClearFaults()
	succeeds(r, op)
	succeeds(r, second)
	r.Accepted("server-001", 1)
	r.Accepted("server-002", 1)
}

// TestStopsCleanly: a controller that is stopped in the middle of everything returns nil, soon.
func TestStopsCleanly(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{Faults: []site.Fault{{Kind: site.HangReply, Path: "/jobs/"}}})
	op := r.Repave("repave", 1)
	r.Create(r.Server(1), op)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- engine.Run(ctx, engine.Options{RESTConfig: r.Cluster.Config, Namespaces: []string{r.Namespace}})
	}()
	r.UntilPhase(op, v1alpha1.OperationRunning)
	r.Eventually("the site to hang", func() bool { return r.Site.Faults()[0].Struck > 0 })
	cancel()
	select {
	case err := <-done:
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it did not end within 20 s of being told to")
	}
}
