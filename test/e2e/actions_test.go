package e2e

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/drivers"
)

// TestActions does to one machine all that can be done, in an order in which each shows.
func TestActions(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Start()
	server := r.Server(1)
	r.Create(server)
	for i, c := range []struct {
		action v1alpha1.Action
		state  v1alpha1.ServerState
		os     string
		power  string
	}{
		{v1alpha1.ActionInspect, v1alpha1.ServerUntouched, "", "on"},
		{v1alpha1.ActionRepave, v1alpha1.ServerReady, "2.0.0", "on"},
		{v1alpha1.ActionReboot, v1alpha1.ServerReady, "2.0.0", "on"},
		{v1alpha1.ActionPowerOff, v1alpha1.ServerOff, "2.0.0", "off"},
		{v1alpha1.ActionInspect, v1alpha1.ServerOff, "2.0.0", "off"},
		{v1alpha1.ActionPowerOn, v1alpha1.ServerReady, "2.0.0", "on"},
	} {
		op := r.Do(fmt.Sprintf("op-%d", i), c.action, 1)
		if c.action == v1alpha1.ActionRepave {
			op = r.Repave(op.Name, 1)
		}
		r.Create(op)
		r.UntilEnded(op, v1alpha1.OperationSucceeded, v1alpha1.ReasonSucceeded)
		r.Unclaimed(server)
		if s := server.Status; s.State != c.state || s.CurrentOS != c.os || s.Power != c.power {
			t.Errorf("after %s the Server is %q, runs %q, power %q", c.action, s.State, s.CurrentOS, s.Power)
		}
		if c.action == v1alpha1.ActionInspect && len(server.Status.Hardware) == 0 {
			t.Error("the inspection found nothing")
		}
	}
	if m := r.Site.Machines()["server-001"]; m.Repaves != 1 || m.Power != "on" {
		t.Errorf("the machine is %+v", m)
	}
}

// TestActionThatSiteLacks: a first-version site knows repaves only, and is not asked for more.
func TestActionThatSiteLacks(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{API: site.V1})
	r.Start()
	op := r.Do("reboot", v1alpha1.ActionReboot, 1)
	r.Create(r.Server(1), op)
	r.UntilEnded(op, v1alpha1.OperationFailed, v1alpha1.ReasonRejected, "reboot", "v1")
	r.Unasked()
	r.Unclaimed(r.Server(1))
}

// TestCancelWhileItWaits: at once, and the site hears nothing of it.
func TestCancelWhileItWaits(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Start()
	op := r.Repave("repave", 1)
	whileHeld.bring(r, op)
	r.Edit(op, func() {
		op.Spec.Cancel = true
		metav1.SetMetaDataAnnotation(&op.ObjectMeta, v1alpha1.AnnotationCancelReason, "wrong rack")
	})
	r.UntilEnded(op, v1alpha1.OperationCancelled, v1alpha1.ReasonCancelled, "wrong rack")
	r.Unasked()
}

// TestCancelWhileItRuns: the job is ended where the site can, and seen out where it cannot.
func TestCancelWhileItRuns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		api, job string
		phase    v1alpha1.OperationPhase
		state    v1alpha1.ServerState
	}{
		{site.V2, "cancelled", v1alpha1.OperationCancelled, v1alpha1.ServerError},
		{site.V1, "succeeded", v1alpha1.OperationSucceeded, v1alpha1.ServerReady},
	} {
		t.Run(c.api, func(t *testing.T) {
			t.Parallel()
			r := NewWorld(t).Room(site.Config{API: c.api, Duration: 3 * time.Second})
			r.Start()
			server, op := r.Server(1), r.Repave("repave", 1)
			r.Create(server, op)
			r.UntilPhase(op, v1alpha1.OperationRunning)
			r.Eventually("the disk to be written to", func() bool {
				began := Events(r.Site, site.Began)
				return len(began) > 0 && time.Since(began[0].At) > 2*time.Second
			})
			r.Edit(op, func() { op.Spec.Cancel = true })
			r.UntilPhase(op, c.phase)
			if ended := Events(r.Site, site.Ended); len(ended) != 1 || ended[0].Phase != c.job {
				t.Errorf("the job ended as %+v", ended)
			}
			r.Unclaimed(server)
			if server.Status.State != c.state {
				t.Errorf("the Server is %q", server.Status.State)
			}
		})
	}
}

// TestTimeToLive: an Operation goes when its time after the end is over, whatever the end.
func TestTimeToLive(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Start()
	at, after, kept := r.Do("at-once", v1alpha1.ActionInspect, 1), r.Repave("after", 2), r.Do("kept", v1alpha1.ActionInspect, 3)
	at.Spec.TTLSecondsAfterFinished, after.Spec.TTLSecondsAfterFinished = ptr.To[int32](0), ptr.To[int32](1)
	after.Spec.ProvisioningProfileRef.Name = "os"
	r.fault(site.Fault{Kind: site.FailJob, Server: "server-002"})
	r.Create(r.Server(1), r.Server(2), r.Server(3), kept, at, after)
	r.UntilGone(at)
	r.UntilGone(after)
	r.UntilPhase(kept, v1alpha1.OperationSucceeded)
	// Given a time to live later on, it goes too.
	r.Edit(kept, func() { kept.Spec.TTLSecondsAfterFinished = ptr.To[int32](0) })
	r.UntilGone(kept)
	r.Accepted("server-001", 1)
}

// TestLine: under a limit the highest priority goes first, then the oldest; raising the limit wakes
// who waits, and each says what for.
func TestLine(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).RoomWith(site.Config{}, func(dc *v1alpha1.Datacenter) { dc.Spec.Limits.ConcurrentOperations = 1 })
	r.Start()
	r.fault(site.Fault{Kind: site.Lie, Sort: site.LieRunning, Server: "server-001"})
	blocker := r.Repave("blocker", 1)
	r.Create(r.Server(1), blocker)
	r.UntilPhase(blocker, v1alpha1.OperationRunning)

	line := []*v1alpha1.Operation{}
	for i, priority := range []int32{0, 5, 0, -1} {
		op := r.Repave(fmt.Sprintf("op-%d", i), i+2)
		op.Spec.Priority = priority
		r.Create(r.Server(i+2), op)
		line = append(line, op)
		// The API server tells ages by the second.
		r.Eventually("the next second", func() bool { return time.Now().Unix() > op.CreationTimestamp.Unix() })
	}
	for _, op := range line {
		r.UntilHeld(op, v1alpha1.ReasonLimitReached, "1 of 1", "dc")
	}
	r.Accepted("server-002", 0)
	// Last in line, until somebody says otherwise.
	r.Edit(line[3], func() { line[3].Spec.Priority = 9 })
	r.Until(line[3], "looked at", func() bool { return line[3].Status.ObservedGeneration == line[3].Generation })
	r.Site.ClearFaults()
	for _, op := range append(line, blocker) {
		succeeds(r, op)
	}
	var order []string
	for _, event := range Events(r.Site, site.Accepted) {
		order = append(order, event.ServerID)
		if event.Live > 1 {
			t.Errorf("%d live jobs under a limit of 1", event.Live)
		}
	}
	if got, want := fmt.Sprint(order), "[server-001 server-005 server-003 server-002 server-004]"; got != want {
		t.Errorf("the order was %s, not %s", got, want)
	}
}

// TestRaisedLimit wakes as many as it lets in.
func TestRaisedLimit(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).RoomWith(site.Config{}, func(dc *v1alpha1.Datacenter) { dc.Spec.Limits.ConcurrentOperations = 1 })
	r.Start()
	r.fault(site.Fault{Kind: site.Lie, Sort: site.LieRunning})
	ops := []*v1alpha1.Operation{r.Repave("a", 1), r.Repave("b", 2), r.Repave("c", 3)}
	r.Create(r.Server(1), r.Server(2), r.Server(3), ops[0])
	r.UntilPhase(ops[0], v1alpha1.OperationRunning)
	r.Create(ops[1])
	r.UntilHeld(ops[1], v1alpha1.ReasonLimitReached)
	r.Create(ops[2])
	r.UntilHeld(ops[2], v1alpha1.ReasonLimitReached)
	onDatacenter(func(dc *v1alpha1.Datacenter) { dc.Spec.Limits.ConcurrentOperations = 2 })(r)
	running := func() (n int) {
		for _, op := range ops {
			r.Refresh(op)
			if op.Status.Phase == v1alpha1.OperationRunning {
				n++
			}
		}
		return n
	}
	r.Eventually("two to run", func() bool { return running() == 2 })
	for _, op := range ops[1:] {
		if op.Status.Phase != v1alpha1.OperationRunning {
			r.UntilHeld(op, v1alpha1.ReasonLimitReached)
		}
	}
	if got := len(Events(r.Site, site.Accepted)); got != 2 {
		t.Errorf("the site got %d jobs under a limit of 2", got)
	}
	r.Site.ClearFaults()
	for _, op := range ops {
		succeeds(r, op)
	}
}

// TestPausedDatacenter: nothing starts, what runs is seen out, and resuming wakes what waited.
func TestPausedDatacenter(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Start()
	running, waiting := r.Repave("running", 1), r.Repave("waiting", 2)
	r.fault(site.Fault{Kind: site.Lie, Sort: site.LieRunning, Server: "server-001"})
	r.Create(r.Server(1), r.Server(2), running)
	r.UntilPhase(running, v1alpha1.OperationRunning)
	pauseSite.do(r)
	r.Create(waiting)
	r.UntilHeld(waiting, v1alpha1.ReasonDatacenterPaused, "dc", "flood")
	r.Site.ClearFaults()
	succeeds(r, running)
	r.Accepted("server-002", 0)
	pauseSite.undo(r)
	succeeds(r, waiting)
}

// TestSiteThatComesBack: an Operation waits for a site that is down, says so, and then runs once.
func TestSiteThatComesBack(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Start()
	r.fault(site.Fault{Kind: site.Refuse})
	op := r.Repave("repave", 1)
	r.Create(r.Server(1), op)
	r.UntilHeld(op, drivers.ReasonUnreachable, r.Namespace+"/dc")
	r.Site.ClearFaults()
	succeeds(r, op)
	r.Accepted("server-001", 1)
}

// TestAdopt: a machine in use is recorded as it is said to be, and nothing is done to it.
func TestAdopt(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Start()
	early, server := r.Server(2), r.Server(1)
	server.Spec.Adopt, early.Spec.Adopt = &v1alpha1.Adoption{Profile: "os"}, &v1alpha1.Adoption{Profile: "later"}
	r.Create(server, early)
	r.Until(server, "adopted", func() bool { return server.Status.State == v1alpha1.ServerReady })
	if s := server.Status; s.CurrentOS != "2.0.0" || s.Applied == nil || s.Applied.Profile != "os" || s.Applied.Hash == "" || s.Applied.Operation != "" {
		t.Errorf("the adopted Server is %+v", s)
	}
	r.Create(Profile(r.Namespace, "later", "1.9.0"))
	r.Until(early, "adopted once its profile is there", func() bool { return early.Status.CurrentOS == "1.9.0" })
	r.Unasked()
}
