package operation

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

const (
	// applyOrderGrace is how much younger than its Operation a Server may be and still be the one
	// that was meant: a folder applied by kubectl comes in alphabetical order.
	applyOrderGrace = time.Minute
	// defaultRecheck is how soon something is read again that no watch tells about.
	defaultRecheck = 30 * time.Second
)

// decideWaiting brings an Operation of which nothing is open at the site to its intent, or says why
// not yet.
func decideWaiting(s *Snapshot) Effect {
	if reason := s.stopWanted(); reason != "" {
		return endWaiting(s, v1alpha1.OperationCancelled, reason, stopMessage(s, reason))
	}
	if reason, message := wrongServer(s); reason != "" {
		return endWaiting(s, v1alpha1.OperationCancelled, reason, message)
	}
	if reason, message := void(s); reason != "" {
		return endWaiting(s, v1alpha1.OperationCancelled, reason, message)
	}
	if reason, message := changedSinceDecided(s); reason != "" {
		return endWaiting(s, v1alpha1.OperationFailed, reason, message)
	}
	if effect := failedBefore(s); effect != nil {
		return effect
	}
	if hold, until := standingHold(s); hold != nil {
		return holdWaiting(s, []v1alpha1.Hold{*hold}, until)
	}
	if !hasFinalizer(s.Operation) {
		return AddFinalizer{}
	}
	if s.Verdict == nil {
		return AskGate{}
	}
	switch {
	case s.Verdict.Denied:
		hold := s.Verdict.Holds[0]
		return endWaiting(s, v1alpha1.OperationDenied, hold.Reason, hold.Message)
	case !s.Verdict.Admitted:
		return holdWaiting(s, s.Verdict.Holds, s.Verdict.Until)
	}
	if effect := decideBefore(s); effect != nil {
		return effect
	}
	return decideAdmitted(s)
}

// decideAdmitted takes the claim on the Server, then writes the intent.
func decideAdmitted(s *Snapshot) Effect {
	switch {
	case !s.claimed() && s.Server.Status.ActiveOperation != nil:
		return holdForeign(s)
	case !s.claimed():
		return WriteServer{Status: claim(s)}
	case s.foreign():
		return takeOver(s)
	}
	return writeIntent(s)
}

// holdForeign waits for an Operation that this controller's gate does not know: another controller
// has the claim.
func holdForeign(s *Snapshot) Effect {
	name := s.Server.Status.ActiveOperation.Name
	hold := v1alpha1.Hold{
		Source: "Server/" + s.Server.Name, Rule: "one-operation-per-server", Reason: v1alpha1.ReasonServerBusy,
		Message:  fmt.Sprintf("Operation %s has the claim on server %s", name, s.Server.Name),
		Observed: "1", Limit: "1", ClearsWhen: "Operation/" + name + " ends",
	}
	if status := held(s, []v1alpha1.Hold{hold}); status != nil {
		return WriteStatus{Status: *status, Event: &Event{Reason: hold.Reason, Message: hold.Message}}
	}
	return Wait{Until: s.recheck(), FreeSlot: !HooksBegun(&s.Operation.Status)}
}

// wrongServer tells whether the Server of that name is another than the one that was meant.
func wrongServer(s *Snapshot) (reason, message string) {
	op := s.Operation
	meant := op.Spec.ServerRef.UID
	if decided := op.Status.DecidedOn; meant == "" && decided != nil {
		meant = decided.ServerUID
	}
	recorded := meant != ""
	if !recorded {
		meant = s.SeenServer
	}
	name := op.Spec.ServerRef.Name
	switch {
	case s.Server == nil && meant != "":
		return v1alpha1.ReasonServerDeleted, fmt.Sprintf("Server %s, which this Operation was meant for, is gone; nothing was done to the machine", name)
	case s.Server == nil:
		return "", ""
	case meant != "" && meant != string(s.Server.UID):
		return v1alpha1.ReasonServerRecreated, fmt.Sprintf("Server %s was made anew: this Operation was meant for the one with UID %s; make a new Operation if this one is meant", name, meant)
	case !recorded && s.Server.CreationTimestamp.Sub(op.CreationTimestamp.Time) > applyOrderGrace:
		return v1alpha1.ReasonServerRecreated, fmt.Sprintf("Server %s was made after this Operation and may be another machine than the one that was meant; make a new Operation if this one is meant", name)
	case s.Server.DeletionTimestamp != nil:
		return v1alpha1.ReasonServerDeleted, fmt.Sprintf("Server %s is being deleted; nothing was done to the machine", name)
	}
	return "", ""
}

// changedSinceDecided tells whether what an earlier attempt was decided on has changed since.
func changedSinceDecided(s *Snapshot) (reason, message string) {
	decided := s.Operation.Status.DecidedOn
	if decided == nil || !s.dispatched() || s.Server == nil {
		return "", ""
	}
	if s.Profile != nil && s.Profile.Hash != "" && s.Profile.Hash != decided.ProfileHash {
		return v1alpha1.ReasonProfileChanged, fmt.Sprintf("ProvisioningProfile %s was edited since the first attempt was decided on; make a new Operation", s.Profile.Name)
	}
	if IdentityHash(&s.Server.Spec) != decided.IdentityHash {
		return v1alpha1.ReasonServerChanged, fmt.Sprintf("Server %s was given another MAC, address or BMC since the first attempt was decided on; make a new Operation", s.Server.Name)
	}
	return "", ""
}

// standingHold gives the first thing about the objects themselves that keeps the Operation waiting.
func standingHold(s *Snapshot) (*v1alpha1.Hold, time.Time) {
	for _, gate := range standing {
		if hold, until := gate.hold(s); hold != nil {
			return hold, until
		}
	}
	return nil, time.Time{}
}

// rolloutHold gives what keeps a rollout from starting anything on the machine. What was begun is seen
// out: a machine that is half wiped helps nobody.
func rolloutHold(s *Snapshot) (*v1alpha1.Hold, time.Time) {
	if begun(&s.Operation.Status) {
		return nil, time.Time{}
	}
	if hold := AdoptionHold(s.Operation, s.Server); hold != nil {
		return hold, time.Time{}
	}
	if s.Rollout == nil || s.Rollout.Hold == nil {
		return nil, time.Time{}
	}
	if s.Rollout.Hold.Until != nil {
		return s.Rollout.Hold, s.Rollout.Hold.Until.Time
	}
	return s.Rollout.Hold, time.Time{}
}

// lastLook gives what the API server said in the last moment, until the cache has had time to show
// it too.
func lastLook(s *Snapshot) (*v1alpha1.Hold, time.Time) {
	attempt := s.Operation.Status.LastAttempt()
	if attempt == nil || attempt.Outcome != v1alpha1.AttemptWithdrawn || len(s.Operation.Status.Holds) == 0 {
		return nil, time.Time{}
	}
	if until := soon(s, attempt.EndedAt.Time, RetryDelay(attempt.Number)); until.After(s.Now) {
		return &s.Operation.Status.Holds[0], until
	}
	return nil, time.Time{}
}

// ServerHold gives what keeps every Operation off a Server: a pause, maintenance, a quarantine, or
// another Server with its identity.
func ServerHold(server *v1alpha1.Server, conflicts []string) *v1alpha1.Hold {
	source, because := "Server/"+server.Name, because(server.Spec.Reason)
	switch {
	case len(conflicts) > 0:
		return &v1alpha1.Hold{Source: source, Reason: v1alpha1.ReasonIdentityConflict,
			Message:    fmt.Sprintf("Server %s shares its identity with another: %s; correct the one that is wrong", server.Name, conflicts[0]),
			ClearsWhen: "no other Server of the datacenter has that MAC, BMC or address"}
	case server.Status.Quarantine != nil:
		q := server.Status.Quarantine
		return &v1alpha1.Hold{Source: source, Reason: v1alpha1.ReasonServerQuarantined,
			Message:    fmt.Sprintf("Server %s is quarantined since Operation %s ended %s", server.Name, q.Operation, q.Reason),
			ClearsWhen: "somebody releases it: stargate release server " + server.Name}
	case server.Spec.Paused:
		return &v1alpha1.Hold{Source: source, Reason: v1alpha1.ReasonServerPaused,
			Message: fmt.Sprintf("Server %s is paused%s", server.Name, because), ClearsWhen: "spec.paused is false"}
	case server.Spec.Maintenance:
		return &v1alpha1.Hold{Source: source, Reason: v1alpha1.ReasonServerMaintenance,
			Message: fmt.Sprintf("Server %s is in maintenance%s", server.Name, because), ClearsWhen: "spec.maintenance is false"}
	}
	return nil
}

// SiteHold gives what keeps every Operation off a datacenter.
func SiteHold(site Site) *v1alpha1.Hold {
	if site.Deleting {
		return &v1alpha1.Hold{Source: "Datacenter/" + site.Name, Reason: v1alpha1.ReasonDatacenterDeleted,
			Message: fmt.Sprintf("Datacenter %s is being deleted, and goes once what runs there has ended", site.Name), ClearsWhen: "a Datacenter is created"}
	}
	if !site.Paused {
		return nil
	}
	return &v1alpha1.Hold{Source: "Datacenter/" + site.Name, Reason: v1alpha1.ReasonDatacenterPaused,
		Message: fmt.Sprintf("Datacenter %s is paused%s", site.Name, because(site.Reason)), ClearsWhen: "spec.paused is false"}
}

// retryAt is when the next attempt is due after one that failed.
func retryAt(s *Snapshot) time.Time {
	attempt := s.Operation.Status.LastAttempt()
	if attempt == nil || attempt.EndedAt == nil || attempt.Outcome == v1alpha1.AttemptWithdrawn {
		return time.Time{}
	}
	return soon(s, attempt.EndedAt.Time, RetryDelay(attempt.Number))
}

// holdWaiting says why the Operation waits. Before the first attempt it gives the claim and the
// slot back, so that it does not keep others waiting for what it cannot use.
func holdWaiting(s *Snapshot, holds []v1alpha1.Hold, until time.Time) Effect {
	if s.foreign() && !s.dispatched() {
		return takeOver(s)
	}
	if s.claimed() && !s.dispatched() {
		return WriteServer{Status: giveBack(s)}
	}
	status := held(s, holds)
	if status == nil {
		// Who waits in line keeps the place in it.
		inLine := s.Verdict != nil && !s.Verdict.Admitted
		return Wait{Until: until, FreeSlot: !inLine && !s.dispatched() && !HooksBegun(&s.Operation.Status)}
	}
	return WriteStatus{Status: *status, Event: &Event{Reason: holds[0].Reason, Message: holds[0].Message}}
}

// endWaiting ends an Operation of which nothing is open at the site.
func endWaiting(s *Snapshot, phase v1alpha1.OperationPhase, reason, message string) Effect {
	if s.foreign() {
		return takeOver(s)
	}
	if s.claimed() {
		return WriteServer{Status: settle(s, phase, reason, message, untouchedOrKnown(s))}
	}
	return finish(s, phase, reason, message, nil)
}

// writeIntent writes the next attempt with everything that it was decided on.
func writeIntent(s *Snapshot) Effect {
	status := s.Operation.Status.DeepCopy()
	number := int32(1)
	if last := status.LastAttempt(); last != nil {
		number = last.Number + 1
	}
	status.Attempts = keepAttempts(status.Attempts)
	status.Attempts = append(status.Attempts, v1alpha1.Attempt{
		Number: number, RequestID: fmt.Sprintf("%s-%d", s.Operation.UID, number),
		By: s.Process, Epoch: s.Epoch, StartedAt: metav1.NewMicroTime(s.Now),
	})
	if status.StartTime == nil {
		now := metav1.NewTime(s.Now)
		status.StartTime = &now
	}
	if status.Phase == "" {
		status.Phase = v1alpha1.OperationPending
	}
	status.DecidedOn = decidedOn(s)
	status.Message = fmt.Sprintf("dispatching attempt %d", number)
	status.Progress, status.Stage = 0, ""
	clearHolds(s, status)
	setCondition(s, status, v1alpha1.ConditionAdmitted, metav1.ConditionTrue, v1alpha1.ReasonAdmitted, "every gate passed")
	setCondition(s, status, v1alpha1.ConditionDispatched, metav1.ConditionFalse, v1alpha1.ReasonPending, status.Message)
	summarise(s, status)
	return WriteStatus{Status: *status, Intent: true}
}

const maxAttemptsKept = 32

// keepAttempts makes room for one more: the oldest that never became a job goes first, because what
// the others did to the machine still counts.
func keepAttempts(attempts []v1alpha1.Attempt) []v1alpha1.Attempt {
	if len(attempts) < maxAttemptsKept {
		return attempts
	}
	oldest := max(slices.IndexFunc(attempts, func(a v1alpha1.Attempt) bool { return a.Outcome == v1alpha1.AttemptWithdrawn }), 0)
	return slices.Delete(attempts, oldest, oldest+1)
}

func decidedOn(s *Snapshot) *v1alpha1.DecidedOn {
	decided := v1alpha1.DecidedOn{}
	if s.Operation.Status.DecidedOn != nil {
		decided = *s.Operation.Status.DecidedOn
	}
	decided.ServerUID = string(s.Server.UID)
	decided.IdentityHash = IdentityHash(&s.Server.Spec)
	decided.Datacenter = s.Site.Name
	decided.EndpointHash = endpointHash(s.Site.Endpoint)
	if s.Operation.Labels[v1alpha1.LabelGroup] != "" {
		decided.Commit = s.Operation.Annotations[v1alpha1.AnnotationCommit]
		decided.Author = s.Operation.Annotations[v1alpha1.AnnotationAuthor]
		decided.SignedBy = s.Operation.Annotations[v1alpha1.AnnotationSignedBy]
	}
	decided.Requester = s.Operation.Annotations[v1alpha1.AnnotationRequester]
	if s.Verdict != nil {
		decided.PolicyHash = s.Verdict.PolicyHash
	}
	if s.Profile != nil {
		decided.ProfileHash = s.Profile.Hash
		decided.OSVersion = s.Profile.Image.OSVersion
	}
	return &decided
}
