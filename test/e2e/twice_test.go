package e2e

import (
	"net/http"
	"testing"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
)

// The steps between the gate and the deed, in order, as the API server sees them.
type step struct{ name, method, path, content string }

var (
	claimStep   = step{"the claim", http.MethodPut, "/servers/server-001/status", `"activeOperation"`}
	intentStep  = step{"the intent", http.MethodPut, "/operations/repave/status", `"requestID"`}
	confirmSite = step{"the last look at the Datacenter", http.MethodGet, "/datacenters/dc", ""}
	confirmStep = step{"the last look at the Server", http.MethodGet, "/servers/server-001", ""}
)

// edit is what somebody does in that moment, what must come of it, and how it is taken back.
type edit struct {
	name string
	do   func(*Room)
	then func(*Room, *v1alpha1.Operation)
	undo func(*Room)
}

func heldFor(reason string, words ...string) func(*Room, *v1alpha1.Operation) {
	return func(r *Room, op *v1alpha1.Operation) { r.UntilHeld(op, reason, words...) }
}

func endsAs(phase v1alpha1.OperationPhase, reason string) func(*Room, *v1alpha1.Operation) {
	return func(r *Room, op *v1alpha1.Operation) { r.UntilEnded(op, phase, reason) }
}

func onServer(change func(*v1alpha1.Server)) func(*Room) {
	return func(r *Room) {
		server := r.Server(1)
		r.Edit(server, func() { change(server) })
	}
}

func onDatacenter(change func(*v1alpha1.Datacenter)) func(*Room) {
	return func(r *Room) {
		dc := r.DC()
		r.Edit(dc, func() { change(dc) })
	}
}

var (
	pauseServer = edit{"the Server is paused", onServer(func(s *v1alpha1.Server) { s.Spec.Paused, s.Spec.Reason = true, "RMA-77" }),
		heldFor(v1alpha1.ReasonServerPaused, "server-001", "RMA-77"), onServer(func(s *v1alpha1.Server) { s.Spec.Paused = false })}
	maintainServer = edit{"the Server is taken into maintenance", onServer(func(s *v1alpha1.Server) { s.Spec.Maintenance = true }),
		heldFor(v1alpha1.ReasonServerMaintenance, "server-001"), onServer(func(s *v1alpha1.Server) { s.Spec.Maintenance = false })}
	pauseSite = edit{"the Datacenter is paused", onDatacenter(func(d *v1alpha1.Datacenter) { d.Spec.Paused, d.Spec.Reason = true, "flood" }),
		heldFor(v1alpha1.ReasonDatacenterPaused, "dc", "flood"), onDatacenter(func(d *v1alpha1.Datacenter) { d.Spec.Paused = false })}
	cancelIt = edit{"the Operation is cancelled", func(r *Room) {
		op := r.Repave("repave", 1)
		r.Edit(op, func() { op.Spec.Cancel = true })
	}, endsAs(v1alpha1.OperationCancelled, v1alpha1.ReasonCancelled), nil}
	deleteIt = edit{"the Operation is deleted", func(r *Room) { r.Delete(r.Repave("repave", 1)) },
		func(r *Room, op *v1alpha1.Operation) { r.UntilGone(op) }, nil}
	deleteServer = edit{"the Server is deleted", func(r *Room) { r.Delete(r.Server(1)) },
		endsAs(v1alpha1.OperationCancelled, v1alpha1.ReasonServerDeleted), nil}
	recreateServer = edit{"the Server is made anew", func(r *Room) {
		r.DeleteNow(r.Server(1))
		r.Create(r.Server(1))
	}, endsAs(v1alpha1.OperationCancelled, v1alpha1.ReasonServerRecreated), nil}
	correctMAC = edit{"the Server is given another MAC", onServer(func(s *v1alpha1.Server) { s.Spec.MAC = "aa:bb:cc:77:77:77" }),
		endsAs(v1alpha1.OperationFailed, v1alpha1.ReasonServerChanged), nil}
	doubleServer = edit{"another Server is given its MAC", func(r *Room) {
		other := r.Server(2)
		other.Spec.MAC = r.Server(1).Spec.MAC
		r.Create(other)
		// The controller's cache learns of it, as its condition tells.
		r.UntilCondition(other, &other.Status.Conditions, v1alpha1.ConditionHealthy, v1alpha1.ReasonIdentityConflict)
	}, heldFor(v1alpha1.ReasonIdentityConflict, "server-002"), func(r *Room) { r.Delete(r.Server(2)) }}
)

// TestLookedAtTwice: whatever people say between the gate and the deed is heard before the deed.
func TestLookedAtTwice(t *testing.T) {
	t.Parallel()
	for at, edits := range map[*step][]edit{
		&claimStep:   {pauseServer, pauseSite, cancelIt, deleteIt, deleteServer, recreateServer},
		&intentStep:  {pauseServer, maintainServer, pauseSite, cancelIt, deleteIt, deleteServer, recreateServer, correctMAC, doubleServer},
		&confirmSite: {pauseServer, pauseSite},
		&confirmStep: {pauseServer, maintainServer, deleteServer, recreateServer, correctMAC, doubleServer},
	} {
		for _, edit := range edits {
			t.Run(edit.name+" before "+at.name, func(t *testing.T) {
				t.Parallel()
				lookedAtTwice(t, *at, edit)
			})
		}
	}
}

func lookedAtTwice(t *testing.T, at step, edit edit) {
	r := NewWorld(t).Room(site.Config{})
	hold := NewHoldPoint(t, at.method, at.path, at.content)
	r.Start(hold.Into(r.Cluster.Config))
	op := r.Repave("repave", 1)
	r.Create(r.Server(1), op)
	hold.Reached()
	edit.do(r)
	hold.Release()
	edit.then(r, op)
	r.Unasked()
	server := r.Server(1)
	if r.UntilOrGone(server, "free of any claim", func() bool { return server.Status.ActiveOperation == nil }) {
		if server.Status.State != v1alpha1.ServerUntouched || server.Status.Quarantine != nil {
			t.Errorf("an untouched Server is %+v", server.Status)
		}
	}
	if edit.undo == nil {
		return
	}
	edit.undo(r)
	r.UntilPhase(op, v1alpha1.OperationSucceeded)
	r.Accepted("server-001", 1)
	if first := op.Status.Attempts[0]; len(op.Status.Attempts) > 1 && first.Outcome != v1alpha1.AttemptWithdrawn {
		t.Errorf("the intent that was taken back ended %s", first.Outcome)
	}
}

// TestCancelledWhileItCouldNotBeSent: an intent that was written long ago is not carried out on what
// a cache still says. The site refuses at first; the Operation is cancelled in the moment before the
// next try, unseen by the cache.
func TestCancelledWhileItCouldNotBeSent(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{Faults: []site.Fault{{Kind: site.Status, Path: "/operations", Status: 429, Count: 1}}})
	hold := NewHoldPoint(t, http.MethodGet, "/operations/repave", "")
	r.Start(hold.Into(r.Cluster.Config))
	op := r.Repave("repave", 1)
	r.Create(r.Server(1), op)
	hold.Reached()
	cancelIt.do(r)
	hold.Release()
	r.UntilEnded(op, v1alpha1.OperationCancelled, v1alpha1.ReasonCancelled)
	r.Accepted("server-001", 0)
	r.Unclaimed(r.Server(1))
}
