package operation_test

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/operation"
)

// TestAnySnapshot decides on snapshots that no history leads to: nothing panics, nothing is started
// without its intent and claim, and no illegal move is made.
func TestAnySnapshot(t *testing.T) { rapid.Check(t, decideOnAnything) }

// FuzzDecide lets the fuzzer choose the snapshot.
func FuzzDecide(f *testing.F) { f.Fuzz(rapid.MakeFuzz(decideOnAnything)) }

func decideOnAnything(t *rapid.T) {
	s := anySnapshot(t)
	checker := newChecker()
	checker.close(&s.Operation.Status)
	if _, err := checker.decide(s); err != nil {
		t.Fatalf("stage %s: %v", operation.StageOf(&s.Operation.Status), err)
	}
}

func anySnapshot(t *rapid.T) operation.Snapshot {
	flip := func(what string) bool { return rapid.Bool().Draw(t, what) }
	s := operation.Snapshot{Now: start, Process: "controller-1", Operation: anyOperation(t), Calling: rapid.IntRange(0, 5).Draw(t, "calling") == 0,
		NotLanded: flip("not landed"), Site: operation.Site{Name: "dc-west", OnUnknown: v1alpha1.UnknownOutcomeHold, Paused: flip("paused")}}
	if flip("retry") {
		s.Site.OnUnknown = v1alpha1.UnknownOutcomeRetry
	}
	if flip("server") {
		s.Server = anyServer(t)
	}
	if s.Operation.Spec.ProvisioningProfileRef != nil {
		hash := rapid.SampledFrom([]string{"h0", "h1"}).Draw(t, "hash")
		s.Profile = &operation.Profile{Name: "os", Hash: hash, Image: &drivers.Image{OSVersion: "2.0.0", ProfileHash: hash}}
	}
	if flip("reply") {
		kind := rapid.SampledFrom([]operation.CallKind{operation.CallStart, operation.CallFind, operation.CallStatus, operation.CallCancel}).Draw(t, "kind")
		s.Reply = lie(t, kind, fmt.Sprintf("op-%d", rapid.IntRange(1, 3).Draw(t, "request")))
	}
	if flip("verdict") {
		s.Verdict = &operation.Verdict{Admitted: flip("admitted")}
		if !s.Verdict.Admitted {
			s.Verdict.Denied = flip("denied")
			s.Verdict.Holds = []v1alpha1.Hold{{Source: "Policy/any", Reason: v1alpha1.ReasonLimitReached, Message: "any"}}
		}
	}
	if flip("confirmed") {
		s.Confirmed = &operation.Confirmation{}
	}
	if s.Rollout = anyRollout(t); s.Rollout != nil && s.Confirmed != nil {
		s.Confirmed.Hold = s.Rollout.Hold
	}
	return s
}

func anyRollout(t *rapid.T) *operation.Rollout {
	switch rapid.IntRange(0, 3).Draw(t, "rollout") {
	case 0:
		return &operation.Rollout{}
	case 1:
		return &operation.Rollout{Reason: v1alpha1.ReasonGroupGone, Message: "the group is gone"}
	case 2:
		return &operation.Rollout{Hold: &v1alpha1.Hold{Source: "Suspend", Reason: v1alpha1.ReasonRolloutPaused, Message: "paused", ClearsWhen: "resumed"}}
	}
	return nil
}

func anyOperation(t *rapid.T) *v1alpha1.Operation {
	op := &v1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Name: "op", Namespace: "dc-west", UID: "op", CreationTimestamp: metav1.NewTime(start.Add(-time.Hour)), Generation: 3},
		Spec: v1alpha1.OperationSpec{Operation: v1alpha1.ActionReboot, ServerRef: v1alpha1.ServerReference{Name: "server-001"},
			Retries: rapid.Int32Range(0, 3).Draw(t, "retries"), Cancel: rapid.Bool().Draw(t, "cancel")},
	}
	if rapid.Bool().Draw(t, "finalizer") {
		op.Finalizers = []string{v1alpha1.Finalizer}
	}
	if rapid.IntRange(0, 3).Draw(t, "deleted") == 0 {
		op.DeletionTimestamp = &metav1.Time{Time: start}
	}
	if rapid.Bool().Draw(t, "repave") {
		op.Spec.Operation, op.Spec.ProvisioningProfileRef = v1alpha1.ActionRepave, &v1alpha1.LocalReference{Name: "os"}
		op.Spec.Expected = anyExpected(t)
	}
	op.Status = anyStatus(t)
	if len(op.Status.Attempts) > 0 {
		op.Finalizers = []string{v1alpha1.Finalizer}
	}
	return op
}

func anyExpected(t *rapid.T) *v1alpha1.Expected {
	if rapid.Bool().Draw(t, "expected") {
		return nil
	}
	return &v1alpha1.Expected{ProfileHash: rapid.SampledFrom([]string{"h0", "h0", "h1"}).Draw(t, "expected hash"),
		LastOperation: rapid.SampledFrom([]string{"", "", "other"}).Draw(t, "expected last")}
}

// anyStatus is one that the API server would accept: only the last attempt is open.
func anyStatus(t *rapid.T) v1alpha1.OperationStatus {
	status := v1alpha1.OperationStatus{Phase: v1alpha1.OperationPending}
	ended := metav1.NewMicroTime(start.Add(-time.Minute))
	for n := range rapid.Int32Range(0, 3).Draw(t, "attempts") {
		status.Attempts = append(status.Attempts, v1alpha1.Attempt{Number: n + 1, RequestID: fmt.Sprintf("op-%d", n+1), By: "controller-1",
			StartedAt: metav1.NewMicroTime(start.Add(-time.Hour)), EndedAt: &ended,
			Outcome: rapid.SampledFrom([]v1alpha1.AttemptOutcome{v1alpha1.AttemptFailed, v1alpha1.AttemptWithdrawn, v1alpha1.AttemptTimedOut, v1alpha1.AttemptAbandoned}).Draw(t, "outcome")})
		status.DecidedOn = &v1alpha1.DecidedOn{ServerUID: "srv1", Datacenter: "dc-west", ProfileHash: "h0", IdentityHash: operation.IdentityHash(&anyServerSpec)}
	}
	last := status.LastAttempt()
	if last == nil {
		return status
	}
	switch rapid.IntRange(0, 3).Draw(t, "open") {
	case 0:
		status.Phase, status.ObservedGeneration = v1alpha1.OperationSucceeded, 3
		return status
	case 1:
		return status
	}
	last.Outcome, last.EndedAt = "", nil
	if rapid.Bool().Draw(t, "job") {
		last.JobID, status.Phase = "job-1", v1alpha1.OperationRunning
	}
	if rapid.Bool().Draw(t, "stop") {
		last.StopReason, last.StopRequestedAt, last.StopAccepted = v1alpha1.ReasonCancelled, &ended, rapid.Bool().Draw(t, "accepted")
	}
	if last.JobID == "" && rapid.IntRange(0, 2).Draw(t, "parked") == 0 {
		status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionDispatched, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonUnknown, LastTransitionTime: metav1.NewTime(start), ObservedGeneration: 3}}
	}
	return status
}

var anyServerSpec = v1alpha1.ServerSpec{MAC: "aa:bb:cc:dd:ee:01"}

func anyServer(t *rapid.T) *v1alpha1.Server {
	server := &v1alpha1.Server{
		ObjectMeta: metav1.ObjectMeta{Name: "server-001", Namespace: "dc-west", UID: "srv1", CreationTimestamp: metav1.NewTime(start.Add(-2 * time.Hour))},
		Spec:       anyServerSpec,
	}
	if rapid.IntRange(0, 3).Draw(t, "anew") == 0 {
		server.UID = "srv2"
	}
	if owner := rapid.SampledFrom([]string{"", "op", "op", "other"}).Draw(t, "claimed by"); owner != "" {
		server.Status.ActiveOperation = &v1alpha1.ActiveOperation{Name: owner, UID: owner, By: rapid.SampledFrom([]string{"controller-1", "controller-0"}).Draw(t, "by")}
	}
	if owner := rapid.SampledFrom([]string{"", "", "op", "other"}).Draw(t, "recorded"); owner != "" {
		server.Status.LastOperation = &v1alpha1.LastOperation{Name: owner, UID: owner, Phase: v1alpha1.OperationFailed, Reason: v1alpha1.ReasonJobFailed}
	}
	return server
}

// lie is an answer that a site might give, true or not.
func lie(t *rapid.T, kind operation.CallKind, request string) *operation.Reply {
	reply := &operation.Reply{Kind: kind, RequestID: request}
	if rapid.Bool().Draw(t, "error") {
		reply.Err = &drivers.Error{Kind: rapid.SampledFrom([]drivers.Kind{drivers.Transient, drivers.Rejected, drivers.NotFound, drivers.Unknown, "Nonsense"}).Draw(t, "kind of error"),
			Reason:  rapid.SampledFrom([]string{"", drivers.ReasonBusy, drivers.ReasonVoided, drivers.ReasonGarbage, drivers.ReasonIdentityMismatch}).Draw(t, "reason"),
			Message: rapid.StringN(0, 50, 5000).Draw(t, "text")}
		return reply
	}
	reply.Job = drivers.JobRef{RequestID: request, JobID: rapid.SampledFrom([]string{"job-1", "job-9", ""}).Draw(t, "job id")}
	reply.Found = rapid.Bool().Draw(t, "found")
	reply.Status = drivers.JobStatus{
		Phase:   rapid.SampledFrom([]drivers.Phase{drivers.JobPending, drivers.JobRunning, drivers.JobSucceeded, drivers.JobFailed, drivers.JobCancelled, "exploded"}).Draw(t, "phase"),
		Percent: rapid.Int32().Draw(t, "percent"), Stage: rapid.StringN(0, 20, 4000).Draw(t, "stage"), Message: rapid.StringN(0, 20, 8000).Draw(t, "message"),
		Untouched: rapid.Bool().Draw(t, "untouched"),
	}
	return reply
}
