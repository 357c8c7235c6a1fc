package operation

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
)

// requestStop writes down that the attempt is to end before its time. Only then is the site asked.
func requestStop(s *Snapshot, attempt *v1alpha1.Attempt, reason string) Effect {
	status := s.Operation.Status.DeepCopy()
	open := status.LastAttempt()
	open.StopReason = reason
	now := metav1.NewMicroTime(s.Now)
	open.StopRequestedAt = &now
	status.Message = fmt.Sprintf("ending attempt %d: %s", attempt.Number, stopMessage(s, reason))
	clearHolds(s, status)
	setCondition(s, status, v1alpha1.ConditionDispatched, dispatchedStatus(attempt), v1alpha1.ReasonCancelling, status.Message)
	summarise(s, status)
	return WriteStatus{Status: *status, Event: &Event{Reason: v1alpha1.ReasonCancelling, Message: status.Message}}
}

func dispatchedStatus(attempt *v1alpha1.Attempt) metav1.ConditionStatus {
	if attempt.JobID == "" {
		return metav1.ConditionFalse
	}
	return metav1.ConditionTrue
}

// decideStopping ends a job, or sees it out where the site cannot.
func decideStopping(s *Snapshot) Effect {
	attempt := s.openAttempt()
	if reply := s.reply(CallStart, attempt); reply != nil && reply.Err == nil && attempt.JobID == "" {
		return writeRunning(s, reply.Job)
	}
	if reply := s.reply(CallStatus, attempt); reply != nil && (attempt.StopAccepted || ended(reply)) {
		return afterStatus(s, attempt, reply)
	}
	switch {
	case attempt.StopAccepted && attempt.JobID != "":
		return poll(s, attempt)
	case attempt.StopAccepted:
		return findStopped(s, attempt)
	}
	if reply := s.reply(CallCancel, attempt); reply != nil {
		return afterCancel(s, attempt, reply)
	}
	return waitOrCall(s, attempt, CallCancel)
}

// ended tells whether a reply says that the job has ended.
func ended(reply *Reply) bool { return reply.Err == nil && reply.Status.Phase.Terminal() }

// findStopped asks which job it was that the site was asked to end. What the site said before that
// does not count: the request may have landed since.
func findStopped(s *Snapshot, attempt *v1alpha1.Attempt) Effect {
	if reply := s.reply(CallFind, attempt); reply != nil {
		return afterFindStopping(s, attempt, reply)
	}
	return waitOrCall(s, attempt, CallFind)
}

func waitOrCall(s *Snapshot, attempt *v1alpha1.Attempt, kind CallKind) Effect {
	if len(s.Operation.Status.Holds) > 0 {
		if due := nextStart(s, attempt); due.After(s.Now) {
			return Wait{Until: due}
		}
	}
	if s.Site.Problem != nil {
		return heldInPlace(s, s.Site.Problem)
	}
	if attempt.JobID == "" {
		return askInDoubt(s, attempt, kind)
	}
	return callSite(s, attempt, kind)
}

// afterCancel folds in what the site said to a Cancel.
func afterCancel(s *Snapshot, attempt *v1alpha1.Attempt, reply *Reply) Effect {
	if reply.Err == nil {
		return stopAccepted(s, "the site ends the job")
	}
	switch drivers.KindOf(reply.Err) {
	case drivers.NotFound:
		if attempt.JobID == "" {
			// The site voided the request: it never was a job, and never can be.
			return withdraw(s, attempt.StopReason)
		}
		return stopAccepted(s, "the site does not know the job")
	case drivers.Rejected:
		return stopAccepted(s, "the site cannot end the job; it is seen out")
	default:
		return heldInPlace(s, siteHold(s, reply.Err))
	}
}

func stopAccepted(s *Snapshot, message string) Effect {
	status := s.Operation.Status.DeepCopy()
	status.LastAttempt().StopAccepted = true
	status.Message = bounded(fmt.Sprintf("%s: %s", stopMessage(s, status.LastAttempt().StopReason), message))
	clearHolds(s, status)
	summarise(s, status)
	return WriteStatus{Status: *status}
}

// afterFindStopping folds in whether the request that is to be stopped became a job.
func afterFindStopping(s *Snapshot, attempt *v1alpha1.Attempt, reply *Reply) Effect {
	switch {
	case reply.Err == nil && reply.Found:
		return writeRunning(s, reply.Job)
	case reply.Err == nil && s.Now.Sub(attempt.StopRequestedAt.Time) < lostAfter:
		// It did not void the request, so one that is still under way may land yet.
		return heldInPlace(s, &v1alpha1.Hold{Source: "Datacenter/" + s.Site.Name, Reason: v1alpha1.ReasonCancelling,
			Message: fmt.Sprintf("%s knows no job of request %s, which may still be under way", siteName(s), attempt.RequestID)})
	case reply.Err == nil:
		return withdraw(s, attempt.StopReason)
	case drivers.KindOf(reply.Err) == drivers.Unknown:
		return parkLost(s, attempt)
	default:
		return heldInPlace(s, siteHold(s, reply.Err))
	}
}

// abandon ends an Operation whose job outlives every limit. The machine is quarantined, because the
// job may still run.
func abandon(s *Snapshot, attempt *v1alpha1.Attempt) Effect {
	message := fmt.Sprintf("job %s at %s still runs, long after it should have ended (%s)", attempt.JobID, siteName(s), attempt.StopReason)
	return settleOpen(s, v1alpha1.OperationFailed, v1alpha1.AttemptAbandoned, v1alpha1.ReasonJobAbandoned, message, serverQuarantinedJobMayRun)
}

// phaseOfStop is how an Operation ends that is ended before its time.
func phaseOfStop(reason string) v1alpha1.OperationPhase {
	switch reason {
	case v1alpha1.ReasonProfileChanged, v1alpha1.ReasonServerChanged:
		return v1alpha1.OperationFailed
	}
	return v1alpha1.OperationCancelled
}

// stopMessage says why an Operation is ended before its time.
func stopMessage(s *Snapshot, reason string) string {
	switch reason {
	case v1alpha1.ReasonDeleted:
		return "the Operation was deleted"
	case v1alpha1.ReasonCancelled:
		if why := s.Operation.Annotations[v1alpha1.AnnotationCancelReason]; why != "" {
			return bounded("cancelled: " + why)
		}
		return "cancelled (spec.cancel)"
	case v1alpha1.ReasonTimedOut:
		return fmt.Sprintf("it took longer than %s", s.timeout())
	case v1alpha1.ReasonInterrupted:
		return fmt.Sprintf("the claim on Server %s was taken away before the site had taken the request", s.Operation.Spec.ServerRef.Name)
	case v1alpha1.ReasonServerDeleted:
		return fmt.Sprintf("Server %s, which this Operation was meant for, was deleted", s.Operation.Spec.ServerRef.Name)
	case v1alpha1.ReasonDatacenterDeleted:
		return fmt.Sprintf("Datacenter %s was deleted before the site had taken the request", s.Site.Name)
	case v1alpha1.ReasonServerRecreated:
		return fmt.Sprintf("Server %s was made anew, and this Operation was meant for the one before it", s.Operation.Spec.ServerRef.Name)
	}
	if now, message := void(s); now == reason {
		return message
	}
	if now, message := changedSinceDecided(s); now == reason {
		return message
	}
	return reason
}
