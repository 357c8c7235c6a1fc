package operation

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
)

// hooksAfter tells whether hooks run after a job that ended so. None do after a job that somebody asked
// to end, nor where there never was one.
func hooksAfter(s *Snapshot, attempt v1alpha1.AttemptOutcome) bool {
	switch attempt {
	case v1alpha1.AttemptSucceeded, v1alpha1.AttemptFailed, v1alpha1.AttemptTimedOut, v1alpha1.AttemptAbandoned:
		return s.claimed() && s.stopWanted() == "" && len(s.matching(v1alpha1.HookAfter)) > 0
	case v1alpha1.AttemptCancelled, v1alpha1.AttemptRejected, v1alpha1.AttemptWithdrawn:
	}
	return false
}

// writeJobEnd writes down how the job ended, before the hooks that run after it. The Server and the
// budget stay taken.
func writeJobEnd(s *Snapshot, phase v1alpha1.OperationPhase, attempt v1alpha1.AttemptOutcome, reason, message string, outcome serverOutcome, facts *drivers.Facts) Effect {
	status := s.Operation.Status.DeepCopy()
	status.JobEnd = &v1alpha1.JobEnd{Phase: phase, Reason: reason, Message: bounded(message), Machine: machines[outcome], At: metav1.NewTime(s.Now)}
	if facts != nil {
		status.JobEnd.Power, status.JobEnd.Hardware = facts.Power, facts.Hardware
	}
	if phase == v1alpha1.OperationSucceeded {
		status.Progress, message = 100, ""
	}
	endAttempt(s, status, attempt, message)
	status.LastAttempt().Untouched = outcome == serverUntouched
	settleDispatched(s, status, reason)
	listHooks(s, status, v1alpha1.HookAfter)
	return writeTurn(s, status, v1alpha1.HookAfter, nil)
}

// decideAfterHooks brings an Operation whose job has ended through the hooks that run after it, and
// records the end. One that somebody wants ended is not kept by them; nor is one whose claim is gone.
func decideAfterHooks(s *Snapshot) Effect {
	if s.stopWanted() == "" && s.claimed() && failedHook(&s.Operation.Status, v1alpha1.HookAfter) == nil {
		if effect := decideHooks(s, v1alpha1.HookAfter); effect != nil {
			return effect
		}
	}
	return settleJobEnd(s)
}

// settleJobEnd ends the Operation as its job ended, or Failed where a hook failed after a good job. The
// Server is recorded as it is known to be either way.
func settleJobEnd(s *Snapshot) Effect {
	end := s.Operation.Status.JobEnd
	phase, reason, message := end.Phase, end.Reason, end.Message
	if failed := failedHook(&s.Operation.Status, v1alpha1.HookAfter); failed != nil && phase == v1alpha1.OperationSucceeded {
		phase, reason = v1alpha1.OperationFailed, failed.Reason
		message = fmt.Sprintf("the job succeeded, and the server is recorded as what it was made; then hook %s failed: %s", failed.Name, failed.Message)
	}
	if !s.claimed() {
		return finish(s, phase, reason, message, nil)
	}
	status := settle(s, phase, reason, message, machineOutcome(end.Machine))
	learn(&status, &drivers.Facts{Power: end.Power, Hardware: end.Hardware})
	return WriteServer{Status: status}
}

// machines are the names of what an end means for the machine.
var machines = map[serverOutcome]string{
	serverUntouched: "Untouched", serverDone: "Done", serverInterrupted: "Interrupted",
	serverQuarantined: "Quarantined", serverQuarantinedJobMayRun: "QuarantinedJobMayRun",
}

// machineOutcome reads such a name. One that is not known is taken for the worst.
func machineOutcome(name string) serverOutcome {
	for outcome, each := range machines {
		if each == name {
			return outcome
		}
	}
	return serverQuarantinedJobMayRun
}
