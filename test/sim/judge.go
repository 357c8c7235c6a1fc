package sim

import (
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/operation"
)

// judge of a history. It sees what the sites accepted and what the API server stored, and nothing of
// what the controllers think.
type judge struct {
	world *world
	// intents that were ever stored, by request id.
	intents map[string]bool
	// parked is since when an Operation is.
	parked map[types.UID]time.Duration
	// running are the processes at a run of a hook, by its key.
	running map[string]*process
}

// saw is told each state of an Operation that was stored.
func (j *judge) saw(before, after *v1alpha1.Operation) {
	for i := range after.Status.Attempts {
		j.intents[after.Status.Attempts[i].RequestID] = true
	}
	if j.parked == nil {
		j.parked = map[types.UID]time.Duration{}
	}
	stage := operation.StageOf(&after.Status)
	if _, ok := j.parked[after.UID]; ok != (stage == operation.StageParked) {
		delete(j.parked, after.UID)
		if stage == operation.StageParked {
			j.parked[after.UID] = j.world.now
		}
	}
	if before == nil {
		return
	}
	if before.Status.Phase.Terminal() && after.Status.Phase != before.Status.Phase {
		j.world.broken("I6: %s went from %s to %s", after.Name, before.Status.Phase, after.Status.Phase)
	}
	if len(after.Status.Conditions) > 0 && meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady) == nil {
		j.world.broken("%s has conditions without Ready", after.Name)
	}
}

// starts is told of each Start that leaves a process.
func (j *judge) starts(request drivers.Request, _ string) {
	if !j.intents[request.ID] {
		j.world.broken("I2: %s is sent without a stored intent", request.ID)
	}
	j.asMeant(request)
}

// asMeant: the first request of what was made for a machine and a content as they were then says just
// that, and leaves while nothing was done to the machine since.
func (j *judge) asMeant(request drivers.Request) {
	op := j.world.api.ever[types.UID(request.ID[:strings.LastIndex(request.ID, "-")])]
	if op == nil || op.Spec.Expected == nil || request.Image == nil || slices.ContainsFunc(op.Status.Attempts, func(a v1alpha1.Attempt) bool {
		return a.Outcome != "" && a.Outcome != v1alpha1.AttemptWithdrawn
	}) {
		return
	}
	if request.Image.ProfileHash != op.Spec.Expected.ProfileHash {
		j.world.broken("%s was made for %s, and %s is sent", op.Name, op.Spec.Expected.ProfileHash, request.Image.ProfileHash)
	}
	server, ok := j.world.api.get(servers, op.Spec.ServerRef.Name).(*v1alpha1.Server)
	if !ok || !claims(op, server) {
		return
	}
	last := ""
	if server.Status.LastOperation != nil {
		last = server.Status.LastOperation.UID
	}
	if last != op.Spec.Expected.LastOperation {
		j.world.broken("%s was made after %q, and is sent after %q", op.Name, op.Spec.Expected.LastOperation, last)
	}
}

// accepted is told of each job that a site is about to make.
func (j *judge) accepted(s *site, made *job) {
	if s.retry && s.first {
		// Somebody chose to have it done twice rather than to be asked.
		return
	}
	for _, live := range s.machine(made.mac).live {
		j.world.broken("I1: %s is made for %s on %s while %s of %s runs there", made.id, made.request, made.mac, live.id, live.request)
	}
	if known := s.byRequest[made.request]; known != nil {
		j.world.broken("I2: %s makes a second job, %s after %s", made.request, made.id, known.id)
	}
	if !j.intents[made.request] {
		j.world.broken("I2: %s was never an intent", made.request)
	}
}

// verdict at the end of a history, when the faults have long ceased.
func (j *judge) verdict() {
	w := j.world
	for _, name := range w.api.names(operations) {
		j.operationEnded(w.api.get(operations, name).(*v1alpha1.Operation))
	}
	for _, uid := range sortedUIDs(w.api.ever) {
		j.attemptsAreTrue(w.api.ever[uid])
	}
	for _, name := range w.api.names(servers) {
		j.serverIsTrue(w.api.get(servers, name).(*v1alpha1.Server))
	}
	for _, p := range w.processes {
		j.nothingIsKept(p)
	}
}

func (j *judge) operationEnded(op *v1alpha1.Operation) {
	if !op.Status.Phase.Terminal() {
		j.world.broken("I5: %s is still in %s, %s: %s", op.Name, op.Status.Phase, operation.StageOf(&op.Status), op.Status.Message)
	}
	if op.DeletionTimestamp != nil {
		j.world.broken("I7: %s is deleted and still there, with finalizers %v", op.Name, op.Finalizers)
	}
}

// attemptsAreTrue compares what an Operation says of its attempts with what its site did.
func (j *judge) attemptsAreTrue(op *v1alpha1.Operation) {
	if op.Status.DecidedOn == nil || op.Annotations[v1alpha1.AnnotationResolve] != "" {
		return
	}
	s := j.world.sites[op.Status.DecidedOn.Datacenter]
	if s == nil || (s.first && s.retry) {
		return
	}
	for i := range op.Status.Attempts {
		attempt := &op.Status.Attempts[i]
		made := s.byRequest[attempt.RequestID]
		if said := attempt.Outcome; !outcomeIsTrue(said, made) {
			phase := drivers.Phase("never made")
			if made != nil {
				phase = made.phase
			}
			j.world.broken("I6: %s says that attempt %s is %q, and the job is %s", op.Name, attempt.RequestID, said, phase)
		}
		if attempt.JobID != "" && (made == nil || made.id != attempt.JobID) {
			j.world.broken("I6: %s says that attempt %s is job %s", op.Name, attempt.RequestID, attempt.JobID)
		}
	}
	if op.Status.Phase == v1alpha1.OperationSucceeded && op.Status.LastAttempt().Outcome != v1alpha1.AttemptSucceeded {
		j.world.broken("I6: %s succeeded with an attempt that is %s", op.Name, op.Status.LastAttempt().Outcome)
	}
}

func outcomeIsTrue(said v1alpha1.AttemptOutcome, made *job) bool {
	switch said {
	case v1alpha1.AttemptWithdrawn, v1alpha1.AttemptRejected:
		return made == nil
	case v1alpha1.AttemptAbandoned:
		return made != nil
	case v1alpha1.AttemptSucceeded:
		return made != nil && made.phase == drivers.JobSucceeded
	case v1alpha1.AttemptFailed:
		return made != nil && (made.phase == drivers.JobFailed || made.phase == drivers.JobCancelled)
	case v1alpha1.AttemptCancelled, v1alpha1.AttemptTimedOut:
		return made != nil && (made.phase == drivers.JobCancelled || made.phase == drivers.JobFailed)
	}
	// Still open: only somebody who took the finalizer away leaves one so.
	return true
}

// serverIsTrue compares what a Server is said to be with what its machine is.
func (j *judge) serverIsTrue(server *v1alpha1.Server) {
	w, status := j.world, &server.Status
	if status.ActiveOperation != nil {
		w.broken("I7: %s is still claimed by %s", server.Name, status.ActiveOperation.Name)
	}
	if server.DeletionTimestamp != nil {
		w.broken("I7: %s is deleted and still there", server.Name)
	}
	s := w.sites[server.Spec.DatacenterRef.Name]
	machine := s.machine(strings.ToLower(server.Spec.MAC))
	if s.first && s.retry {
		return
	}
	if len(machine.live) > 0 && status.Quarantine == nil {
		w.broken("I7: %s still runs on %s, of which nothing is said", machine.live[0].id, server.Name)
	}
	if w.people.doubts[server.UID] {
		return
	}
	if machine.broken && status.Quarantine == nil {
		w.broken("I6: the machine of %s was left half-way, and it is said to be %q", server.Name, status.State)
	}
	if status.State == v1alpha1.ServerReady && machine.os != status.CurrentOS {
		w.broken("I6: %s is said to run %q, and runs %q", server.Name, status.CurrentOS, machine.os)
	}
}

// nothingIsKept looks into a process for what it should have forgotten.
func (j *judge) nothingIsKept(p *process) {
	w := j.world
	for _, name := range w.api.names(datacenters) {
		if active, waiting := p.ledger.Load(ledgerKey(name)); active != 0 || waiting != 0 {
			w.broken("I7: the ledger of %s has %d active and %d waiting at %s", p.name, active, waiting, name)
		}
	}
	for _, uid := range sortedUIDs(p.calls) {
		w.broken("I7: %s still keeps the calls of %s", p.name, uid)
	}
	for _, uid := range sortedUIDs(p.hooks) {
		w.broken("I7: %s still keeps the hooks of %s", p.name, uid)
	}
}

func sortedUIDs[T any](all map[types.UID]T) []types.UID {
	uids := make([]types.UID, 0, len(all))
	for uid := range all {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	return uids
}
