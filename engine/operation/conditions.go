package operation

import (
	"slices"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// messageLimit bounds what outsiders can make us write.
const messageLimit = 1024

// held gives the status with these holds, nil where it says so already: one write when the reason
// changes, none while it does not.
func held(s *Snapshot, holds []v1alpha1.Hold) *v1alpha1.OperationStatus {
	if sameHolds(s.Operation.Status.Holds, holds) && s.Operation.Status.ObservedGeneration == s.Operation.Generation {
		return nil
	}
	status := s.Operation.Status.DeepCopy()
	setHolds(s, status, holds)
	summarise(s, status)
	return status
}

// sameHolds compares what holds are about, not how their messages count. The first is what the Operation
// waits for. Of the rest, budgets that are full in this moment do not matter: others take and give back
// their places all the time, and each write would be looked at again and find them otherwise.
func sameHolds(a, b []v1alpha1.Hold) bool {
	return slices.EqualFunc(lasting(a), lasting(b), func(a, b v1alpha1.Hold) bool {
		return a.Source == b.Source && a.Rule == b.Rule && a.Reason == b.Reason && sameSecond(a.Until, b.Until)
	})
}

// lasting are the first hold and those that are more than a full budget.
func lasting(holds []v1alpha1.Hold) []v1alpha1.Hold {
	kept := make([]v1alpha1.Hold, 0, len(holds))
	for i := range holds {
		if i == 0 || holds[i].Reason != v1alpha1.ReasonLimitReached {
			kept = append(kept, holds[i])
		}
	}
	return kept
}

// sameSecond compares times as they are stored: the API server keeps no parts of a second.
func sameSecond(a, b *metav1.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Unix() == b.Unix()
}

// setHolds writes the holds down, each with the time since when it holds.
func setHolds(s *Snapshot, status *v1alpha1.OperationStatus, holds []v1alpha1.Hold) {
	now := metav1.NewTime(s.Now)
	next := make([]v1alpha1.Hold, 0, len(holds))
	for _, hold := range holds {
		hold.Message = bounded(hold.Message)
		hold.Since = now
		if since := holdSince(status, hold.Reason); !since.IsZero() {
			hold.Since = metav1.NewTime(since)
		}
		next = append(next, hold)
	}
	status.Holds = next
	if status.Phase == "" {
		status.Phase = v1alpha1.OperationPending
	}
	if status.DecidedOn == nil && s.Server != nil {
		status.DecidedOn = &v1alpha1.DecidedOn{ServerUID: string(s.Server.UID)}
	}
	status.Message = next[0].Message
	setCondition(s, status, v1alpha1.ConditionHeld, metav1.ConditionTrue, next[0].Reason, next[0].Message)
	if attempt := status.LastAttempt(); attempt == nil && !HooksBegun(status) {
		setCondition(s, status, v1alpha1.ConditionAdmitted, metav1.ConditionFalse, next[0].Reason, next[0].Message)
	}
}

// holdSince is since when something holds for that reason; zero where nothing does.
func holdSince(status *v1alpha1.OperationStatus, reason string) time.Time {
	for i := range status.Holds {
		if status.Holds[i].Reason == reason {
			return status.Holds[i].Since.Time
		}
	}
	return time.Time{}
}

func clearHolds(s *Snapshot, status *v1alpha1.OperationStatus) {
	status.Holds = nil
	if meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionHeld) != nil {
		setCondition(s, status, v1alpha1.ConditionHeld, metav1.ConditionFalse, v1alpha1.ReasonAdmitted, "nothing holds it")
	}
}

// setCondition sets one condition; lastTransitionTime moves only where the status does.
func setCondition(s *Snapshot, status *v1alpha1.OperationStatus, kind string, value metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: kind, Status: value, Reason: reason, Message: bounded(message),
		ObservedGeneration: s.Operation.Generation, LastTransitionTime: metav1.NewTime(s.Now),
	})
}

// summarise sets what kstatus reads: Ready, Reconciling and Stalled.
func summarise(s *Snapshot, status *v1alpha1.OperationStatus) {
	observe(s, status)
	reason := string(status.Phase)
	if len(status.Holds) > 0 {
		reason = status.Holds[0].Reason
	}
	setCondition(s, status, v1alpha1.ConditionReady, metav1.ConditionFalse, reason, status.Message)
	setCondition(s, status, v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, status.Message)
}

// summariseEnd sets them for an end.
func summariseEnd(s *Snapshot, status *v1alpha1.OperationStatus, reason string) {
	observe(s, status)
	succeeded, failed := metav1.ConditionTrue, metav1.ConditionFalse
	if status.Phase != v1alpha1.OperationSucceeded {
		succeeded, failed = metav1.ConditionFalse, metav1.ConditionTrue
	}
	meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionReconciling)
	meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionHeld)
	setCondition(s, status, v1alpha1.ConditionReady, succeeded, reason, status.Message)
	setCondition(s, status, v1alpha1.ConditionCompleted, succeeded, reason, status.Message)
	setCondition(s, status, v1alpha1.ConditionFailed, failed, reason, status.Message)
	setCondition(s, status, v1alpha1.ConditionStalled, failed, reason, status.Message)
}

// observe marks the spec as seen, in the status and in each of its conditions.
func observe(s *Snapshot, status *v1alpha1.OperationStatus) {
	status.ObservedGeneration = s.Operation.Generation
	for i := range status.Conditions {
		status.Conditions[i].ObservedGeneration = s.Operation.Generation
	}
}

// bounded cuts text from outside to a length that status can carry.
func bounded(text string) string {
	if len(text) <= messageLimit {
		return text
	}
	cut := messageLimit
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

func orDefault(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
