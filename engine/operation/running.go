package operation

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
)

const (
	// progressEvery is how often progress is written at most.
	progressEvery = 5 * time.Second
	// lostAfter is how long a site may deny a job that it made before it is taken as lost: a site
	// that restarts may forget for a while.
	lostAfter = 2 * time.Minute
)

// decideRunning polls a job that is wanted, until its end.
func decideRunning(s *Snapshot) Effect {
	attempt := s.openAttempt()
	if reply := s.reply(CallStatus, attempt); reply != nil {
		return afterStatus(s, attempt, reply)
	}
	if reason := s.stopWanted(); reason != "" {
		return requestStop(s, attempt, reason)
	}
	return poll(s, attempt)
}

// poll asks for the job's status once its pace says so.
func poll(s *Snapshot, attempt *v1alpha1.Attempt) Effect {
	if due := nextPoll(s, attempt); due.After(s.Now) {
		return Wait{Until: due}
	}
	if s.Site.Problem != nil {
		return heldInPlace(s, s.Site.Problem)
	}
	return callSite(s, attempt, CallStatus)
}

// afterStatus folds in what the site said of the job.
func afterStatus(s *Snapshot, attempt *v1alpha1.Attempt, reply *Reply) Effect {
	if reply.Err != nil {
		if drivers.KindOf(reply.Err) == drivers.NotFound {
			return jobDenied(s, attempt)
		}
		if !holdSince(&s.Operation.Status, v1alpha1.ReasonJobLost).IsZero() {
			// A site that denies the job now and fails to answer then is not to start the wait anew.
			return Wait{Until: s.Now.Add(RetryPace(s.age(attempt)))}
		}
		return heldInPlace(s, siteHold(s, reply.Err))
	}
	status := reply.Status
	if status.Phase.Terminal() {
		return jobEnded(s, attempt, status)
	}
	age := s.age(attempt)
	if attempt.StopReason == "" && age > s.timeout() {
		return requestStop(s, attempt, v1alpha1.ReasonTimedOut)
	}
	if attempt.StopReason != "" && age > s.timeout()+StopGrace(s.timeout()) && s.Now.Sub(attempt.StopRequestedAt.Time) > StopGrace(s.timeout()) {
		return abandon(s, attempt)
	}
	return noteProgress(s, attempt, status)
}

// noteProgress writes progress that is worth a write, and waits for the next poll.
func noteProgress(s *Snapshot, attempt *v1alpha1.Attempt, job drivers.JobStatus) Effect {
	status := &s.Operation.Status
	job.Percent = min(max(job.Percent, 0), 100)
	changed := job.Percent != status.Progress || job.Stage != status.Stage
	rested := status.ProgressTime == nil || s.Now.Sub(status.ProgressTime.Time) >= progressEvery
	// A wall clock that was set back must not silence progress until it has caught up.
	rested = rested || status.ProgressTime.After(s.Now)
	if len(status.Holds) == 0 && (!changed || !rested) {
		return Wait{Until: s.Now.Add(PollPace(s.age(attempt)))}
	}
	next := status.DeepCopy()
	next.Progress, next.Stage = job.Percent, bounded(job.Stage)
	now := metav1.NewMicroTime(s.Now)
	next.ProgressTime = &now
	if attempt.StopReason == "" {
		next.Message = bounded(fmt.Sprintf("%s: %d%% %s", orDefault(job.Stage, "running"), job.Percent, job.Message))
	}
	clearHolds(s, next)
	summarise(s, next)
	return WriteStatus{Status: *next}
}

// jobDenied waits for a site that denies a job it made, and in the end takes the job as lost.
func jobDenied(s *Snapshot, attempt *v1alpha1.Attempt) Effect {
	hold := v1alpha1.Hold{Source: "Datacenter/" + s.Site.Name, Reason: v1alpha1.ReasonJobLost,
		Message: fmt.Sprintf("%s denies job %s, which it made for attempt %d", siteName(s), attempt.JobID, attempt.Number)}
	since := holdSince(&s.Operation.Status, hold.Reason)
	if since.IsZero() || s.Now.Sub(since) < lostAfter {
		return heldInPlace(s, &hold)
	}
	return settleOpen(s, v1alpha1.OperationFailed, v1alpha1.AttemptAbandoned, v1alpha1.ReasonJobLost,
		hold.Message+"; what it did to the machine is not known", serverQuarantinedJobMayRun)
}

// jobEnded folds in a job's end.
func jobEnded(s *Snapshot, attempt *v1alpha1.Attempt, job drivers.JobStatus) Effect {
	switch job.Phase {
	case drivers.JobSucceeded:
		reason := v1alpha1.ReasonSucceeded
		if job.Unchanged {
			reason = v1alpha1.ReasonUnchanged
		}
		return settleOpenWith(s, v1alpha1.OperationSucceeded, v1alpha1.AttemptSucceeded, reason,
			bounded(orDefault(job.Message, "done")), serverDone, job.Facts)
	case drivers.JobCancelled:
		return jobCancelled(s, attempt, job)
	default:
		return attemptFailed(s, v1alpha1.AttemptFailed, v1alpha1.ReasonJobFailed,
			bounded(orDefault(job.Message, "the job failed")), job)
	}
}

// jobCancelled folds in a job that was ended before its time, by us or by somebody at the site.
func jobCancelled(s *Snapshot, attempt *v1alpha1.Attempt, job drivers.JobStatus) Effect {
	switch attempt.StopReason {
	case "":
		return attemptFailed(s, v1alpha1.AttemptFailed, v1alpha1.ReasonJobFailed, bounded("the job was cancelled at the site: "+job.Message), job)
	case v1alpha1.ReasonTimedOut:
		return attemptFailed(s, v1alpha1.AttemptTimedOut, v1alpha1.ReasonTimedOut,
			fmt.Sprintf("the job took longer than %s (stage %s) and was cancelled", s.timeout(), orDefault(s.Operation.Status.Stage, "unknown")), job)
	}
	outcome := serverInterrupted
	if job.Untouched {
		outcome = serverUntouched
	}
	return settleOpen(s, phaseOfStop(attempt.StopReason), v1alpha1.AttemptCancelled, attempt.StopReason, stopMessage(s, attempt.StopReason), outcome)
}

// attemptFailed ends an attempt, and the Operation where no retry is left.
func attemptFailed(s *Snapshot, outcome v1alpha1.AttemptOutcome, reason, message string, job drivers.JobStatus) Effect {
	if s.stopWanted() == "" && failures(&s.Operation.Status) < s.Operation.Spec.Retries {
		status := s.Operation.Status.DeepCopy()
		endAttempt(s, status, outcome, message)
		status.LastAttempt().Untouched = job.Untouched
		last := status.LastAttempt()
		status.Message = fmt.Sprintf("attempt %d failed: %s; trying again", last.Number, message)
		retry := *s
		retried := s.Operation.DeepCopy()
		retried.Status = *status
		retry.Operation = retried
		if hold, _ := standingHold(&retry); hold != nil {
			setHolds(s, status, []v1alpha1.Hold{*hold})
		}
		setCondition(s, status, v1alpha1.ConditionDispatched, metav1.ConditionFalse, v1alpha1.ReasonRetrying, status.Message)
		summarise(s, status)
		return WriteStatus{Status: *status, Event: &Event{Warning: true, Reason: v1alpha1.ReasonRetrying, Message: status.Message}}
	}
	server := serverQuarantined
	if job.Untouched {
		server = serverUntouched
	}
	return settleOpenWith(s, v1alpha1.OperationFailed, outcome, reason, message, server, job.Facts)
}

// failures counts the attempts that failed at the site.
func failures(status *v1alpha1.OperationStatus) int32 {
	var n int32
	for i := range status.Attempts {
		if o := status.Attempts[i].Outcome; o == v1alpha1.AttemptFailed || o == v1alpha1.AttemptTimedOut {
			n++
		}
	}
	return n
}
