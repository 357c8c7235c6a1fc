package operation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
)

// decideDispatching brings a written intent to a job, or finds out that it never can become one.
func decideDispatching(s *Snapshot) Effect {
	attempt := s.openAttempt()
	if reply := s.reply(CallStart, attempt); reply != nil {
		return afterStart(s, attempt, reply)
	}
	if reply := s.reply(CallFind, attempt); reply != nil {
		return afterFind(s, attempt, reply)
	}
	if reason := s.stopWanted(); reason != "" {
		return stopUnlanded(s, attempt, reason)
	}
	if reason := overtaken(s); reason != "" && s.unlanded() {
		return withdraw(s, reason)
	}
	if s.Stopping && s.unlanded() {
		return withdrawUnsent(s)
	}
	if due := nextStart(s, attempt); due.After(s.Now) {
		return Wait{Until: due}
	}
	switch {
	case s.unlanded():
		return confirmThenStart(s, attempt)
	case s.Site.Problem != nil:
		return heldInPlace(s, s.Site.Problem)
	}
	return askInDoubt(s, attempt, CallFind)
}

// askInDoubt asks the site about a request of which nothing is known. Another site than the one that
// got the request cannot tell, and its "no" would be believed.
func askInDoubt(s *Snapshot, attempt *v1alpha1.Attempt, kind CallKind) Effect {
	if moved(s) {
		return park(s, fmt.Sprintf("Datacenter %s was given another endpoint while attempt %d was in doubt, so nobody can be asked", siteName(s), attempt.Number))
	}
	return callSite(s, attempt, kind)
}

// moved tells whether the Datacenter is reached elsewhere than when the attempt was decided on.
func moved(s *Snapshot) bool {
	decided := s.Operation.Status.DecidedOn
	return decided != nil && decided.EndpointHash != "" && s.Site.Endpoint != "" && decided.EndpointHash != endpointHash(s.Site.Endpoint)
}

// endpointHash is what is kept of an endpoint; empty for none.
func endpointHash(endpoint string) string {
	if endpoint == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(endpoint))
	return hex.EncodeToString(sum[:8])
}

// overtaken gives the reason why an intent is not what should be done any more. A job that was
// already made from it is seen out, because ending a wipe half-way helps nobody.
func overtaken(s *Snapshot) string {
	if reason, _ := wrongServer(s); reason != "" {
		return reason
	}
	if reason, _ := void(s); reason != "" {
		return reason
	}
	if reason, _ := changedSinceDecided(s); reason != "" {
		return reason
	}
	if !s.claimed() {
		return v1alpha1.ReasonInterrupted
	}
	if s.Site.Deleting {
		return v1alpha1.ReasonDatacenterDeleted
	}
	return ""
}

// stopUnlanded ends an attempt without a job: at once where nothing can have landed, else by making
// sure at the site.
func stopUnlanded(s *Snapshot, attempt *v1alpha1.Attempt, reason string) Effect {
	if s.unlanded() {
		return withdraw(s, reason)
	}
	return requestStop(s, attempt, reason)
}

// confirmThenStart asks the API server once more, then calls the site.
func confirmThenStart(s *Snapshot, attempt *v1alpha1.Attempt) Effect {
	if s.Server == nil || (s.Profile == nil && s.Operation.Spec.ProvisioningProfileRef != nil) {
		return heldInPlace(s, missingInFlight(s))
	}
	if s.Profile != nil && s.Profile.Problem != nil {
		return heldInPlace(s, s.Profile.Problem)
	}
	if s.Site.Problem != nil {
		return heldInPlace(s, s.Site.Problem)
	}
	if s.foreign() {
		return takeOver(s)
	}
	if attempt.By != s.Process {
		return takeAttemptOver(s)
	}
	if s.Confirmed == nil {
		return Confirm{}
	}
	if s.Confirmed.Hold != nil {
		return heldAtLast(s, s.Confirmed.Hold)
	}
	return callSite(s, attempt, CallStart)
}

// heldAtLast takes back what the API server spoke against in the last moment, where nothing was sent yet.
func heldAtLast(s *Snapshot, hold *v1alpha1.Hold) Effect {
	switch {
	case !s.unlanded():
		return heldInPlace(s, hold)
	case hold.Reason == v1alpha1.ReasonDatacenterDeleted:
		// As where the cache had shown it in time: see overtaken.
		return withdraw(s, hold.Reason)
	}
	return withdrawHeld(s, hold)
}

// takeAttemptOver makes an attempt this process's own, so that nothing is written down any more that
// the process which had it knows of it.
func takeAttemptOver(s *Snapshot) Effect {
	status := s.Operation.Status.DeepCopy()
	status.LastAttempt().By, status.LastAttempt().Epoch = s.Process, s.Epoch
	summarise(s, status)
	return WriteStatus{Status: *status}
}

func missingInFlight(s *Snapshot) *v1alpha1.Hold {
	if s.Server == nil {
		return &v1alpha1.Hold{Source: "Server/" + s.Operation.Spec.ServerRef.Name, Reason: v1alpha1.ReasonServerNotFound,
			Message: "the Server was deleted in mid-flight; cancel the Operation"}
	}
	name := s.Operation.Spec.ProvisioningProfileRef.Name
	return &v1alpha1.Hold{Source: "ProvisioningProfile/" + name, Reason: v1alpha1.ReasonProfileNotFound,
		Message: fmt.Sprintf("spec.provisioningProfileRef.name: no ProvisioningProfile %s in namespace %s", name, s.Operation.Namespace)}
}

// afterStart folds in what the site said to a Start.
func afterStart(s *Snapshot, attempt *v1alpha1.Attempt, reply *Reply) Effect {
	if reply.Err == nil {
		return writeRunning(s, reply.Job)
	}
	switch drivers.KindOf(reply.Err) {
	case drivers.Transient:
		return heldInPlace(s, siteHold(s, reply.Err))
	case drivers.Rejected:
		if attempt.By == s.Process && !s.foreign() {
			return rejected(s, reply.Err)
		}
		// Another process took it over meanwhile, and may have been told otherwise.
	case drivers.NotFound, drivers.Unknown:
	}
	// It may have landed: nothing is concluded before the site was asked, which is at once the first
	// time and at the pace of retries from then on.
	if len(s.Operation.Status.Holds) > 0 {
		return heldInPlace(s, siteHold(s, reply.Err))
	}
	return askInDoubt(s, attempt, CallFind)
}

// afterFind folds in whether the site knows the request.
func afterFind(s *Snapshot, attempt *v1alpha1.Attempt, reply *Reply) Effect {
	switch {
	case reply.Err == nil && reply.Found:
		return writeRunning(s, reply.Job)
	case reply.Err == nil:
		if reason := orDefault(s.stopWanted(), overtaken(s)); reason != "" {
			return requestStop(s, attempt, reason)
		}
		if s.Lost != nil && len(s.Operation.Status.Holds) == 0 {
			return heldInPlace(s, siteHold(s, s.Lost))
		}
		return confirmThenStart(s, attempt)
	case drivers.KindOf(reply.Err) == drivers.Unknown:
		return cannotTell(s, attempt)
	default:
		return heldInPlace(s, siteHold(s, reply.Err))
	}
}

// maxAbandoned is how many replies may be lost before even a site where the risk is taken is left to
// a person: one whose replies never come would wipe the machine again and again, without an end.
const maxAbandoned = 5

// cannotTell parks the Operation, or, where somebody chose so, takes the risk of a second job.
func cannotTell(s *Snapshot, attempt *v1alpha1.Attempt) Effect {
	if s.Site.OnUnknown == v1alpha1.UnknownOutcomeRetry && s.stopWanted() == "" && abandoned(&s.Operation.Status) < maxAbandoned {
		status := s.Operation.Status.DeepCopy()
		endAttempt(s, status, v1alpha1.AttemptAbandoned, "the reply was lost and the site knows no request id; tried again as spec.onUnknownOutcome says")
		status.Message = fmt.Sprintf("attempt %d is given up: the site knows no request id; trying again", attempt.Number)
		setCondition(s, status, v1alpha1.ConditionDispatched, metav1.ConditionFalse, v1alpha1.ReasonRetrying, status.Message)
		summarise(s, status)
		return WriteStatus{Status: *status}
	}
	return parkLost(s, attempt)
}

// abandoned counts the attempts of which nobody knows what they did.
func abandoned(status *v1alpha1.OperationStatus) int {
	n := 0
	for i := range status.Attempts {
		if status.Attempts[i].Outcome == v1alpha1.AttemptAbandoned {
			n++
		}
	}
	return n
}

// rejected ends the Operation: the site refused, and the machine was not touched.
func rejected(s *Snapshot, err error) Effect {
	reason := v1alpha1.ReasonRejected
	if drivers.ReasonOf(err) == drivers.ReasonIdentityMismatch {
		reason = v1alpha1.ReasonIdentityMismatch
	}
	if drivers.ReasonOf(err) == drivers.ReasonVoided && s.stopWanted() != "" {
		reason = s.stopWanted()
		return settleOpen(s, v1alpha1.OperationCancelled, v1alpha1.AttemptWithdrawn, reason, stopMessage(s, reason), serverUntouched)
	}
	return settleOpen(s, v1alpha1.OperationFailed, v1alpha1.AttemptRejected, reason, bounded(err.Error()), serverUntouched)
}

// withdraw ends an attempt of which nothing can have landed, and the Operation with it, unless all that
// is wrong is that the claim was lost.
func withdraw(s *Snapshot, reason string) Effect {
	if reason == v1alpha1.ReasonInterrupted {
		// Nobody wanted the Operation to end, and nothing was done: it waits for the Server again.
		return withdrawHeld(s, &v1alpha1.Hold{Source: "Server/" + s.Operation.Spec.ServerRef.Name, Reason: v1alpha1.ReasonInterrupted,
			Message: stopMessage(s, reason), ClearsWhen: "the Server is free"})
	}
	phase := phaseOfStop(reason)
	if s.Operation.Spec.Expected != nil && !begun(&s.Operation.Status) {
		// Whoever made it for a machine and a content as they were decides anew.
		phase = v1alpha1.OperationCancelled
	}
	return settleOpen(s, phase, v1alpha1.AttemptWithdrawn, reason, stopMessage(s, reason), serverUntouched)
}

// withdrawHeld takes an intent back because of what the API server said in the last moment: the
// Operation waits again, and holds nothing.
func withdrawHeld(s *Snapshot, hold *v1alpha1.Hold) Effect {
	status := s.Operation.Status.DeepCopy()
	endAttempt(s, status, v1alpha1.AttemptWithdrawn, hold.Message)
	setHolds(s, status, []v1alpha1.Hold{*hold})
	summarise(s, status)
	return WriteStatus{Status: *status, Event: &Event{Reason: hold.Reason, Message: hold.Message}}
}

// withdrawUnsent takes an intent back while the process that wrote it ends: only that process knows
// that nothing was sent, and a site of the first version could not tell the next one.
func withdrawUnsent(s *Snapshot) Effect {
	status := s.Operation.Status.DeepCopy()
	endAttempt(s, status, v1alpha1.AttemptWithdrawn, "the controller stopped before it was sent")
	status.Message = status.LastAttempt().Error
	clearHolds(s, status)
	summarise(s, status)
	return WriteStatus{Status: *status}
}

// heldInPlace says what an open attempt waits for, once, and waits for its next try.
func heldInPlace(s *Snapshot, hold *v1alpha1.Hold) Effect {
	attempt := s.openAttempt()
	if status := held(s, []v1alpha1.Hold{*hold}); status != nil {
		return WriteStatus{Status: *status, Event: &Event{Warning: true, Reason: hold.Reason, Message: hold.Message}}
	}
	return Wait{Until: s.Now.Add(RetryPace(s.Now.Sub(attempt.StartedAt.Time)))}
}

// siteHold is the hold that a site's error makes.
func siteHold(s *Snapshot, err error) *v1alpha1.Hold {
	reason := drivers.ReasonOf(err)
	if reason == "" {
		reason = v1alpha1.ReasonUnreachable
	}
	return &v1alpha1.Hold{Source: "Datacenter/" + s.Site.Name, Reason: reason,
		Message: bounded(err.Error()), ClearsWhen: "the site answers"}
}

// writeRunning records the job.
func writeRunning(s *Snapshot, job drivers.JobRef) Effect {
	status := s.Operation.Status.DeepCopy()
	attempt := status.LastAttempt()
	attempt.JobID = job.JobID
	status.DCJobID = job.JobID
	status.Phase = v1alpha1.OperationRunning
	now := metav1.NewMicroTime(s.Now)
	status.ProgressTime = &now
	if attempt.DispatchedAt == nil {
		attempt.DispatchedAt = &now
	}
	status.Message = fmt.Sprintf("job %s runs at %s", job.JobID, siteName(s))
	clearHolds(s, status)
	setCondition(s, status, v1alpha1.ConditionAdmitted, metav1.ConditionTrue, v1alpha1.ReasonAdmitted, "every gate passed")
	setCondition(s, status, v1alpha1.ConditionDispatched, metav1.ConditionTrue, v1alpha1.ReasonDispatched, status.Message)
	summarise(s, status)
	return WriteStatus{Status: *status, Event: &Event{Reason: v1alpha1.ReasonDispatched, Message: status.Message}}
}

// callSite makes a call for an attempt.
func callSite(s *Snapshot, attempt *v1alpha1.Attempt, kind CallKind) Effect {
	call := Call{Kind: kind, Job: drivers.JobRef{RequestID: attempt.RequestID, JobID: attempt.JobID}}
	if kind == CallStart {
		call.Request = request(s, attempt)
	}
	return call
}

// request is everything that the site learns of an attempt.
func request(s *Snapshot, attempt *v1alpha1.Attempt) drivers.Request {
	server := s.Server
	r := drivers.Request{
		ID: attempt.RequestID, Action: drivers.Action(s.Operation.Spec.Operation),
		Server: drivers.Identity{
			Name: server.Name, UID: string(server.UID),
			MAC: strings.ToLower(server.Spec.MAC), BootMAC: strings.ToLower(server.Spec.BootMACAddress),
			IPv4: server.Spec.IPv4, CurrentOS: server.Status.CurrentOS,
		},
		OnlyIfNeeded: s.Operation.Spec.OnlyIfNeeded, Timeout: s.timeout(),
	}
	if server.Spec.BMC != nil {
		r.Server.BMC = server.Spec.BMC.Address
	}
	if s.Profile != nil {
		r.Image = s.Profile.Image
	}
	return r
}

func siteName(s *Snapshot) string {
	if s.Site.Name == "" {
		return "the datacenter"
	}
	return s.Site.Name
}
