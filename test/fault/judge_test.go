package fault

import (
	"context"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
)

// job as the site's record tells of it.
type job struct {
	id, request, server, action string
	// phase it ended in; empty while it lives.
	phase string
}

// jobs reads a record, and complains of what must never be in one: two live jobs on a server (I1),
// two jobs of one request (I2).
func (r *room) jobs() []*job {
	r.Helper()
	var all []*job
	byID, byRequest, live := map[string]*job{}, map[string]*job{}, map[string]*job{}
	for _, event := range r.site.Record() {
		switch event.Kind {
		case site.Accepted:
			j := &job{id: event.JobID, request: event.RequestID, server: event.ServerID, action: event.Action}
			if other := live[j.server]; other != nil && !r.twice {
				r.Errorf("I1: server %s got job %s (%s) while job %s (%s) was live", j.server, j.id, j.request, other.id, other.request)
			}
			if other := byRequest[j.request]; other != nil && j.request != "" {
				r.Errorf("I2: request %s made job %s, and then job %s", j.request, other.id, j.id)
			}
			all, byID[j.id], byRequest[j.request], live[j.server] = append(all, j), j, j, j
		case site.Ended:
			byID[event.JobID].phase = event.Phase
			delete(live, event.ServerID)
		default:
		}
	}
	return all
}

// jobsOf an Operation, the oldest first.
func jobsOf(all []*job, op *v1alpha1.Operation) []*job {
	var mine []*job
	for _, j := range all {
		if strings.HasPrefix(j.request, string(op.UID)+"-") {
			mine = append(mine, j)
		}
	}
	return mine
}

// settled tells whether, as far as is seen, an Operation has ended (or is gone, if it was deleted), its
// server is free, and no job of the site lives. It fails where an Operation ended before its job.
func (r *room) settled(op *v1alpha1.Operation) bool {
	now := &v1alpha1.Operation{}
	now.Namespace, now.Name = op.Namespace, op.Name
	if r.see(now) && (now.DeletionTimestamp != nil || !now.Status.Phase.Terminal()) {
		return false
	}
	server := &v1alpha1.Server{}
	server.Namespace, server.Name = op.Namespace, op.Spec.ServerRef.Name
	if !r.see(server) || server.Status.ActiveOperation != nil {
		return false
	}
	all := r.jobs() // read after the Operation was: what ended before it has ended here too
	for _, j := range jobsOf(all, op) {
		if j.phase == "" {
			r.Fatalf("I7: Operation %s has ended or is gone, and its job %s lives", op.Name, j.id)
		}
	}
	for _, j := range all {
		if j.phase == "" {
			return false
		}
	}
	// The cache may not have seen a deletion that came last.
	err := r.live.Get(context.Background(), client.ObjectKeyFromObject(op), now)
	return apierrors.IsNotFound(err) || err == nil && now.DeletionTimestamp == nil
}

// judge compares what the objects say in the end with what the site's record says was done (I6), and
// looks for what was left behind (I7).
func (r *room) judge(op *v1alpha1.Operation) {
	r.Helper()
	jobs := jobsOf(r.jobs(), op)
	for _, j := range jobs {
		if j.phase == "" {
			r.Errorf("I7: job %s of Operation %s lives on", j.id, op.Name)
		}
	}
	if len(jobs) > 1+int(op.Spec.Retries) {
		r.Errorf("I2: Operation %s made %d jobs", op.Name, len(jobs))
	}
	now := &v1alpha1.Operation{}
	err := r.live.Get(context.Background(), client.ObjectKeyFromObject(op), now)
	switch {
	case err == nil && now.UID == op.UID:
		r.judgeOperation(now, jobs)
	case err != nil && !apierrors.IsNotFound(err):
		r.Errorf("reading Operation %s: %v", op.Name, err)
	}
	r.judgeServer(op, jobs)
}

// judgeOperation compares an Operation's attempts with the jobs of the record.
func (r *room) judgeOperation(op *v1alpha1.Operation, jobs []*job) {
	r.Helper()
	if !op.Status.Phase.Terminal() {
		r.Errorf("I5: Operation %s is %s", op.Name, op.Status.Phase)
	}
	if op.DeletionTimestamp != nil {
		r.Errorf("I7: Operation %s was deleted and is still there, with finalizers %v", op.Name, op.Finalizers)
	}
	made := map[string]*job{}
	for _, j := range jobs {
		made[j.request] = j
	}
	outcomes := map[v1alpha1.AttemptOutcome]string{
		v1alpha1.AttemptSucceeded: "succeeded", v1alpha1.AttemptFailed: "failed", v1alpha1.AttemptCancelled: "cancelled",
		v1alpha1.AttemptWithdrawn: "", v1alpha1.AttemptRejected: "",
	}
	for _, attempt := range op.Status.Attempts {
		phase, id := "", ""
		if j := made[attempt.RequestID]; j != nil {
			phase, id = j.phase, j.id
		}
		if want, known := outcomes[attempt.Outcome]; !known || want != phase || attempt.JobID != "" && attempt.JobID != id {
			r.Errorf("I6: attempt %s with job %q ended %q, and the site has job %q, %q", attempt.RequestID, attempt.JobID, attempt.Outcome, id, phase)
		}
		delete(made, attempt.RequestID)
	}
	for request, j := range made {
		r.Errorf("I6: the site has job %s of request %s, of which Operation %s says nothing", j.id, request, op.Name)
	}
	if last := op.Status.LastAttempt(); last != nil && (op.Status.Phase == v1alpha1.OperationSucceeded) != (last.Outcome == v1alpha1.AttemptSucceeded) {
		r.Errorf("I6: Operation %s is %s, and its last attempt %s", op.Name, op.Status.Phase, last.Outcome)
	}
}

// judgeServer compares the Server with the machine at the site.
func (r *room) judgeServer(op *v1alpha1.Operation, jobs []*job) {
	r.Helper()
	server := &v1alpha1.Server{}
	if err := r.live.Get(context.Background(), client.ObjectKey{Namespace: op.Namespace, Name: op.Spec.ServerRef.Name}, server); err != nil {
		r.Errorf("reading Server: %v", err)
		return
	}
	status := &server.Status
	if status.ActiveOperation != nil {
		r.Errorf("I7: Operation %s still has the claim on Server %s", status.ActiveOperation.Name, server.Name)
	}
	if op.Spec.Operation != v1alpha1.ActionRepave || r.repavedSince(op, jobs) {
		return
	}
	machine := r.site.Machines()[server.Name]
	succeeded := len(jobs) > 0 && jobs[len(jobs)-1].phase == "succeeded"
	switch {
	case succeeded:
		if status.State != v1alpha1.ServerReady || status.CurrentOS != machine.OSVersion || status.Applied == nil || status.Applied.Hash != machine.ProfileHash {
			r.Errorf("I6: Server %s is %q with OS %q and %+v; the machine got %+v", server.Name, status.State, status.CurrentOS, status.Applied, machine)
		}
	case machine.Repaves > 0:
		if status.State != v1alpha1.ServerError || status.Quarantine == nil {
			r.Errorf("I6: Server %s is %q although its wipe was ended half-way", server.Name, status.State)
		}
	case status.State != v1alpha1.ServerUntouched || status.Quarantine != nil:
		r.Errorf("I6: Server %s is %q (%+v) although nothing was done to the machine", server.Name, status.State, status.Quarantine)
	}
}

// repavedSince tells whether another Operation's job has repaved the server after the last of an
// Operation's own, so that the machine is what that one made of it.
func (r *room) repavedSince(op *v1alpha1.Operation, jobs []*job) bool {
	r.Helper()
	var last *job
	for _, j := range r.jobs() {
		if j.server == op.Spec.ServerRef.Name && j.action == string(v1alpha1.ActionRepave) {
			last = j
		}
	}
	return last != nil && (len(jobs) == 0 || jobs[len(jobs)-1].id != last.id)
}
