package e2e

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
)

// TestBusyServer: a second Operation waits for the first, says so, and then runs.
func TestBusyServer(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{Faults: []site.Fault{{Kind: site.Lie, Sort: site.LieRunning}}})
	r.Start()
	first, second := r.Repave("first", 1), r.Do("second", v1alpha1.ActionReboot, 1)
	r.Create(r.Server(1), first)
	r.UntilPhase(first, v1alpha1.OperationRunning)
	r.Create(second)
	r.UntilHeld(second, v1alpha1.ReasonServerBusy, "first", "server-001")
	if hold := second.Status.Holds[0]; hold.Observed != "1" || hold.Limit != "1" || hold.ClearsWhen != "Operation/first ends" {
		t.Errorf("the hold is %+v", hold)
	}
	r.Accepted("server-001", 1)
	r.Site.ClearFaults()
	succeeds(r, first)
	succeeds(r, second)
	r.Accepted("server-001", 2)
	for _, event := range Events(r.Site, site.Accepted) {
		if event.Live != 1 {
			t.Errorf("the site had %d live jobs: %+v", event.Live, event)
		}
	}
}

// TestQuarantine: a machine that a job left in an unknown state is kept out of everything's way until
// somebody releases that very quarantine.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Start()
	server := r.Server(1)
	r.Create(server)
	first := quarantined(r, server, "first")

	held := r.Repave("held", 1)
	r.Create(held)
	r.UntilHeld(held, v1alpha1.ReasonServerQuarantined, "server-001", "first")
	r.mentions(held, held.Status.Holds[0].ClearsWhen, "stargate release server server-001")
	r.Accepted("server-001", 1)
	// Naming another quarantine, or none, releases nothing.
	r.Edit(server, func() { server.Annotations = map[string]string{v1alpha1.AnnotationRelease: string(held.UID)} })
	r.Edit(server, func() { server.Spec.Inventory.SKU = "seen" })
	r.UntilHeld(held, v1alpha1.ReasonServerQuarantined)
	r.Accepted("server-001", 1)

	r.Edit(server, func() { server.Annotations = map[string]string{v1alpha1.AnnotationRelease: string(first.UID)} })
	succeeds(r, held)
	r.Accepted("server-001", 2)
	r.Refresh(server)
	if server.Status.Quarantine != nil || server.Status.State != v1alpha1.ServerReady || server.Status.CurrentOS != "2.0.0" {
		t.Errorf("the released Server is %+v", server.Status)
	}

	// The annotation of the first release is still there, and does not release the second quarantine.
	quarantined(r, server, "second")
	later := r.Repave("later", 1)
	r.Create(later)
	r.UntilHeld(later, v1alpha1.ReasonServerQuarantined, "second")
	r.Refresh(server)
	if server.Annotations[v1alpha1.AnnotationRelease] != string(first.UID) || server.Status.Quarantine == nil {
		t.Errorf("annotations %v, quarantine %+v", server.Annotations, server.Status.Quarantine)
	}
	r.Accepted("server-001", 3)
	r.Edit(later, func() { later.Spec.Cancel = true })
	r.UntilEnded(later, v1alpha1.OperationCancelled, v1alpha1.ReasonCancelled)
}

// quarantined fails a repave after it has begun to write to the disk.
func quarantined(r *Room, server *v1alpha1.Server, name string) *v1alpha1.Operation {
	r.fault(site.Fault{Kind: site.FailJob, Stage: "install", Count: 1})
	op := r.Repave(name, 1)
	r.Create(op)
	r.UntilEnded(op, v1alpha1.OperationFailed, v1alpha1.ReasonJobFailed, "install")
	r.UntilCondition(server, &server.Status.Conditions, v1alpha1.ConditionHealthy, v1alpha1.ReasonQuarantined, name)
	q := server.Status.Quarantine
	if server.Status.State != v1alpha1.ServerError || q == nil || q.UID != string(op.UID) || q.Reason != v1alpha1.ReasonJobFailed || q.JobMayRun {
		r.Errorf("the Server is %q, quarantine %+v", server.Status.State, q)
	}
	if server.Status.CurrentOS != "" || server.Status.ActiveOperation != nil {
		r.Errorf("the Server is said to run %q, claimed by %+v", server.Status.CurrentOS, server.Status.ActiveOperation)
	}
	return op
}

// TestFailedBeforeTheDisk: a job that failed before it touched the machine quarantines nothing.
func TestFailedBeforeTheDisk(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{Faults: []site.Fault{{Kind: site.FailJob, Stage: "download", Count: 1}}})
	r.Start()
	server, op := r.Server(1), r.Repave("repave", 1)
	r.Create(server, op)
	r.UntilEnded(op, v1alpha1.OperationFailed, v1alpha1.ReasonJobFailed, "download")
	r.Unclaimed(server)
	if server.Status.Quarantine != nil || server.Status.State != v1alpha1.ServerUntouched {
		t.Errorf("an untouched Server is %+v", server.Status)
	}
}

// TestRetries: a job that failed is tried again after a pause that status tells, as often as the
// spec allows, each time as a job of its own.
func TestRetries(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fails int
		phase v1alpha1.OperationPhase
		state v1alpha1.ServerState
	}{{"one failure", 1, v1alpha1.OperationSucceeded, v1alpha1.ServerReady}, {"more than allowed", 0, v1alpha1.OperationFailed, v1alpha1.ServerError}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := NewWorld(t).Room(site.Config{Faults: []site.Fault{{Kind: site.FailJob, Stage: "install", Count: c.fails}}})
			r.Start()
			server, op := r.Server(1), r.Repave("repave", 1)
			op.Spec.Retries = 1
			r.Create(server, op)
			r.UntilHeld(op, v1alpha1.ReasonBackOff, "attempt 1", "install")
			if until := op.Status.Holds[0].Until; until == nil || until.Sub(op.Status.Attempts[0].EndedAt.Time) > 6*time.Second {
				t.Errorf("the pause ends at %v", until)
			}
			r.Refresh(server)
			if server.Status.ActiveOperation == nil {
				t.Error("the Server was given back while a retry is due")
			}
			r.UntilPhase(op, c.phase)
			r.Accepted("server-001", 2)
			if a := op.Status.Attempts; len(a) != 2 || a[0].RequestID == a[1].RequestID || a[0].Outcome != v1alpha1.AttemptFailed || a[0].Error == "" {
				t.Errorf("attempts: %+v", a)
			}
			r.Unclaimed(server)
			if server.Status.State != c.state {
				t.Errorf("the Server is %q", server.Status.State)
			}
		})
	}
}

// TestTimeout: a job that takes too long is cancelled at the site before anything else is concluded.
func TestTimeout(t *testing.T) {
	t.Parallel()
	// The site itself knows the time-out too, and must not be the one that keeps it.
	r := NewWorld(t).Room(site.Config{API: site.V2, Duration: 10 * time.Minute})
	r.Start()
	server, op := r.Server(1), r.Repave("repave", 1)
	op.Spec.Timeout = &metav1.Duration{Duration: time.Second}
	r.Create(server, op)
	r.UntilPhase(op, v1alpha1.OperationFailed)
	r.mentions(op, op.Status.Message, "1s")
	r.Eventually("the job to have ended", func() bool { return len(Events(r.Site, site.Ended)) == 1 })
	r.Accepted("server-001", 1)
	r.Unclaimed(server)
}

// TestTimeoutCancels: the same where the job never ends by itself and has written to the disk.
func TestTimeoutCancels(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{Faults: []site.Fault{{Kind: site.Lie, Sort: site.LieRunning}}})
	r.Start()
	server, op := r.Server(1), r.Repave("repave", 1)
	op.Spec.Timeout = &metav1.Duration{Duration: time.Second}
	r.Create(server, op)
	r.Until(op, "asked to stop", func() bool {
		attempt := op.Status.LastAttempt()
		return attempt != nil && attempt.StopReason == v1alpha1.ReasonTimedOut
	})
	r.Eventually("the site to be asked to cancel", func() bool {
		for _, event := range Events(r.Site, site.Received) {
			if event.Path == "/jobs/"+op.Status.DCJobID+"/cancel" {
				return true
			}
		}
		return false
	})
	r.Refresh(server)
	if server.Status.ActiveOperation == nil {
		t.Error("the Server was given back while the job may run")
	}
	r.Site.ClearFaults()
	// The truth is that the job was done before it could be cancelled, and that is what is recorded.
	r.UntilPhase(op, v1alpha1.OperationSucceeded)
	r.Unclaimed(server)
}
