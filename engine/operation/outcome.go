package operation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
)

// serverOutcome is what an end means for the machine.
type serverOutcome int

const (
	// serverUntouched: it is what it was before.
	serverUntouched serverOutcome = iota
	// serverDone: it is what the Operation was to make of it.
	serverDone
	// serverInterrupted: a wipe was ended half-way; nobody knows what it is.
	serverInterrupted
	// serverQuarantined: the job failed for good.
	serverQuarantined
	// serverQuarantinedJobMayRun: and the site did not say that it ended.
	serverQuarantinedJobMayRun
)

// claim takes the Server for the Operation.
func claim(s *Snapshot) v1alpha1.ServerStatus {
	status := *s.Server.Status.DeepCopy()
	status.ActiveOperation = &v1alpha1.ActiveOperation{
		Name: s.Operation.Name, UID: string(s.Operation.UID), By: s.Process,
		Since: metav1.NewTime(s.Now), PreviousState: status.State,
	}
	switch s.Operation.Spec.Operation {
	case v1alpha1.ActionRepave:
		status.State = v1alpha1.ServerProvisioning
	case v1alpha1.ActionReboot:
		status.State = v1alpha1.ServerRebooting
	case v1alpha1.ActionPowerOn, v1alpha1.ActionPowerOff, v1alpha1.ActionInspect:
	}
	SummariseServer(&status, s.Server.Generation, s.Conflicts, metav1.NewTime(s.Now))
	return status
}

// takeOver makes a claim of another process this one's own. From then on that one can neither dispatch
// under it nor give it back; and what it had dispatched before is seen, because its intent was written
// before it looked at the claim for the last time.
func takeOver(s *Snapshot) Effect {
	status := *s.Server.Status.DeepCopy()
	status.ActiveOperation.By = s.Process
	return WriteServer{Status: status}
}

// giveBack returns a claim of which nothing came.
func giveBack(s *Snapshot) v1alpha1.ServerStatus {
	status := *s.Server.Status.DeepCopy()
	status.State = status.ActiveOperation.PreviousState
	status.ActiveOperation = nil
	SummariseServer(&status, s.Server.Generation, s.Conflicts, metav1.NewTime(s.Now))
	return status
}

// settleOpen ends the open attempt and the Operation: first on the Server, then on itself.
func settleOpen(s *Snapshot, phase v1alpha1.OperationPhase, attempt v1alpha1.AttemptOutcome, reason, message string, outcome serverOutcome) Effect {
	return settleOpenWith(s, phase, attempt, reason, message, outcome, nil)
}

func settleOpenWith(s *Snapshot, phase v1alpha1.OperationPhase, attempt v1alpha1.AttemptOutcome, reason, message string, outcome serverOutcome, facts *drivers.Facts) Effect {
	if hooksAfter(s, attempt) {
		return writeJobEnd(s, phase, attempt, reason, message, outcome, facts)
	}
	if s.claimed() {
		status := settle(s, phase, reason, message, outcome)
		learn(&status, facts)
		return WriteServer{Status: status}
	}
	return finish(s, phase, reason, message, &attempt)
}

// settle is the Server's status once the Operation has ended, with the claim given back.
func settle(s *Snapshot, phase v1alpha1.OperationPhase, reason, message string, outcome serverOutcome) v1alpha1.ServerStatus {
	status := *s.Server.Status.DeepCopy()
	now := metav1.NewTime(s.Now)
	previous := status.ActiveOperation.PreviousState
	status.ActiveOperation = nil
	status.LastOperation = &v1alpha1.LastOperation{
		Name: s.Operation.Name, UID: string(s.Operation.UID),
		Phase: phase, Reason: reason, Message: bounded(message), At: now,
	}
	if outcome == serverUntouched && worn(&s.Operation.Status) {
		outcome = serverInterrupted
	}
	if outcome == serverInterrupted && forsaken(&s.Operation.Status) {
		outcome = serverQuarantinedJobMayRun
	}
	harmless := s.Operation.Spec.Operation == v1alpha1.ActionInspect ||
		(outcome == serverInterrupted && s.Operation.Spec.Operation != v1alpha1.ActionRepave)
	switch {
	case outcome == serverDone:
		done(s, &status, previous)
	case outcome == serverUntouched, harmless && outcome != serverQuarantinedJobMayRun:
		status.State = previous
	default:
		status.State = v1alpha1.ServerError
		status.Quarantine = quarantine(s, reason, message, outcome)
		if s.Operation.Spec.Operation == v1alpha1.ActionRepave {
			// What a half-finished wipe left is not known, and unknown is not old.
			status.CurrentOS, status.Applied = "", nil
		}
	}
	SummariseServer(&status, s.Server.Generation, s.Conflicts, now)
	return status
}

// worn tells whether an earlier attempt may have changed the machine without making it whole.
func worn(status *v1alpha1.OperationStatus) bool {
	for i := range status.Attempts {
		a := &status.Attempts[i]
		unmade := a.Outcome == v1alpha1.AttemptFailed || a.Outcome == v1alpha1.AttemptTimedOut || a.Outcome == v1alpha1.AttemptAbandoned
		if unmade && !a.Untouched {
			return true
		}
	}
	return false
}

// forsaken tells whether the site never said what became of an earlier attempt.
func forsaken(status *v1alpha1.OperationStatus) bool {
	return slices.ContainsFunc(status.Attempts, func(a v1alpha1.Attempt) bool { return a.Outcome == v1alpha1.AttemptAbandoned })
}

// done is what a success makes of the Server.
func done(s *Snapshot, status *v1alpha1.ServerStatus, previous v1alpha1.ServerState) {
	status.State = previous
	switch s.Operation.Spec.Operation {
	case v1alpha1.ActionRepave:
		decided := s.Operation.Status.DecidedOn
		status.State, status.Power = v1alpha1.ServerReady, "on"
		status.CurrentOS = decided.OSVersion
		status.Applied = &v1alpha1.Applied{
			Profile: s.Operation.Spec.ProvisioningProfileRef.Name, Hash: decided.ProfileHash,
			OSVersion: decided.OSVersion, Operation: s.Operation.Name, At: metav1.NewTime(s.Now),
		}
	case v1alpha1.ActionPowerOff:
		status.State, status.Power = v1alpha1.ServerOff, "off"
	case v1alpha1.ActionPowerOn, v1alpha1.ActionReboot:
		status.Power = "on"
		if previous == v1alpha1.ServerOff {
			status.State = v1alpha1.ServerUntouched
			if status.Applied != nil {
				status.State = v1alpha1.ServerReady
			}
		}
	case v1alpha1.ActionInspect:
	}
}

// quarantine keeps everything off the machine until somebody releases it.
func quarantine(s *Snapshot, reason, message string, outcome serverOutcome) *v1alpha1.Quarantine {
	return &v1alpha1.Quarantine{
		Operation: s.Operation.Name, UID: string(s.Operation.UID), Reason: reason,
		Message: bounded(message), Since: metav1.NewTime(s.Now),
		JobMayRun: outcome == serverQuarantinedJobMayRun,
	}
}

// learn keeps what the site found out about the machine.
func learn(status *v1alpha1.ServerStatus, facts *drivers.Facts) {
	if facts == nil {
		return
	}
	if facts.Power == "on" || facts.Power == "off" {
		status.Power = facts.Power
	}
	if len(facts.Hardware) > 0 {
		status.Hardware = facts.Hardware
	}
}

// endFromRecord ends the Operation as the Server has recorded it, so that a crash between the two
// writes cannot tell two stories.
func endFromRecord(s *Snapshot) Effect {
	record := s.recorded()
	var outcome *v1alpha1.AttemptOutcome
	if attempt := s.openAttempt(); attempt != nil {
		o := outcomeOf(record, attempt)
		outcome = &o
	}
	return finish(s, record.Phase, record.Reason, record.Message, outcome)
}

// outcomeOf reads an attempt's outcome from the recorded end.
func outcomeOf(record *v1alpha1.LastOperation, attempt *v1alpha1.Attempt) v1alpha1.AttemptOutcome {
	switch {
	case record.Phase == v1alpha1.OperationSucceeded:
		return v1alpha1.AttemptSucceeded
	case record.Reason == v1alpha1.ReasonRejected, record.Reason == v1alpha1.ReasonIdentityMismatch:
		return v1alpha1.AttemptRejected
	case record.Reason == v1alpha1.ReasonTimedOut:
		return v1alpha1.AttemptTimedOut
	case record.Reason == v1alpha1.ReasonJobLost, record.Reason == v1alpha1.ReasonJobAbandoned:
		return v1alpha1.AttemptAbandoned
	case attempt.JobID == "":
		return v1alpha1.AttemptWithdrawn
	case record.Phase == v1alpha1.OperationCancelled:
		return v1alpha1.AttemptCancelled
	}
	return v1alpha1.AttemptFailed
}

// finish writes the Operation's end.
func finish(s *Snapshot, phase v1alpha1.OperationPhase, reason, message string, outcome *v1alpha1.AttemptOutcome) Effect {
	status := s.Operation.Status.DeepCopy()
	now := metav1.NewTime(s.Now)
	if outcome != nil {
		text := message
		if phase == v1alpha1.OperationSucceeded {
			text = ""
		}
		endAttempt(s, status, *outcome, text)
	}
	status.Phase, status.Message = phase, bounded(message)
	status.CompletionTime = &now
	status.Holds = nil
	leaveOutHooks(s, status)
	if phase == v1alpha1.OperationSucceeded {
		status.Progress = 100
	}
	settleDispatched(s, status, reason)
	summariseEnd(s, status, reason)
	return WriteStatus{Status: *status, Event: &Event{
		Warning: phase != v1alpha1.OperationSucceeded, Reason: reason,
		Message: fmt.Sprintf("%s: %s", phase, status.Message),
	}}
}

// settleDispatched leaves no Unknown behind.
func settleDispatched(s *Snapshot, status *v1alpha1.OperationStatus, reason string) {
	if parked(status) {
		setCondition(s, status, v1alpha1.ConditionDispatched, metav1.ConditionFalse, reason, status.Message)
	}
}

// endAttempt closes the open attempt.
func endAttempt(s *Snapshot, status *v1alpha1.OperationStatus, outcome v1alpha1.AttemptOutcome, message string) {
	attempt := status.LastAttempt()
	now := metav1.NewMicroTime(s.Now)
	attempt.EndedAt = &now
	attempt.Outcome = outcome
	attempt.Error = bounded(message)
}

// untouchedOrKnown is what an end before any dispatch means for a claimed machine.
func untouchedOrKnown(s *Snapshot) serverOutcome {
	if worn(&s.Operation.Status) {
		return serverInterrupted
	}
	return serverUntouched
}

// IdentityHash is over what a machine is known by.
func IdentityHash(spec *v1alpha1.ServerSpec) string {
	bmc, system := "", ""
	if spec.BMC != nil {
		bmc, system = spec.BMC.Address, spec.BMC.SystemID
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{
		strings.ToLower(spec.MAC), strings.ToLower(spec.BootMACAddress), spec.IPv4, bmc, system,
	}, "\n")))
	return hex.EncodeToString(sum[:8])
}
