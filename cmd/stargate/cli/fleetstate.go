package cli

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// fleetNote says in a few words what is to be known of a fleet.
func fleetNote(fleet *v1alpha1.Fleet) (string, render.Colour) {
	status := &fleet.Status
	stalled := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled)
	ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	switch {
	case fleet.DeletionTimestamp != nil:
		return "being deleted", render.Held
	case fleet.Spec.Suspend:
		return suspension(fleet), render.Held
	case pendingNow(fleet):
		return fmt.Sprintf("%s waits for an approval: %s, %s", shortCommit(status.Pending.Commit),
			render.Count(int(status.Pending.Repaves), "repave"), render.Count(int(status.Pending.Deletes), "delete")), render.Held
	case status.Applying != nil:
		return "applying " + shortCommit(status.Applying.Commit), render.Busy
	case len(status.Errors) > 0:
		return fmt.Sprintf("%s refused: %s", shortRevision(status.LastAttemptedRevision), render.Count(len(status.Errors), "error")), render.Bad
	case stalled != nil && stalled.Status == metav1.ConditionTrue:
		return stalled.Reason, render.Bad
	case ready == nil:
		return "waits for a controller", render.Plain
	case ready.Reason == v1alpha1.ReasonRollingOut:
		return "rolling out", render.Busy
	case ready.Status != metav1.ConditionTrue:
		return ready.Reason, render.Held
	}
	return "", render.Plain
}

func suspension(fleet *v1alpha1.Fleet) string {
	text := "suspended"
	if fleet.Spec.SuspendUntil != nil {
		text += " until " + fleet.Spec.SuspendUntil.UTC().Format(timeShown)
	}
	if fleet.Spec.Reason != "" {
		text += ": " + fleet.Spec.Reason
	}
	return text
}

// pendingNow tells whether a commit waits for a word that nobody has said yet.
func pendingNow(fleet *v1alpha1.Fleet) bool {
	pending := fleet.Status.Pending
	return pending != nil && fleet.Annotations[v1alpha1.AnnotationApprove] != pending.Commit
}

// onItsWay tells whether a commit is being applied, was approved just now, or is yet to be looked for.
func onItsWay(fleet *v1alpha1.Fleet) bool {
	status := &fleet.Status
	switch {
	case fleet.Spec.Suspend:
		return false
	case status.ObservedGeneration < fleet.Generation, status.Applying != nil:
		return true
	case fleet.Annotations[v1alpha1.AnnotationRequestedAt] != status.LastHandledRequestedAt:
		return true
	}
	return status.Pending != nil && !pendingNow(fleet)
}

// fleetMessage is what a fleet says of itself.
func fleetMessage(fleet *v1alpha1.Fleet) string {
	for _, kind := range []string{v1alpha1.ConditionStalled, v1alpha1.ConditionReady} {
		condition := meta.FindStatusCondition(fleet.Status.Conditions, kind)
		if condition != nil && condition.Message != "" && (kind == v1alpha1.ConditionReady || condition.Status == metav1.ConditionTrue) {
			return condition.Message
		}
	}
	return ""
}

// recordOf finds the history's line of a revision.
func recordOf(fleet *v1alpha1.Fleet, revision string) v1alpha1.FleetRecord {
	for _, record := range fleet.Status.History {
		if record.Revision == revision {
			return record
		}
	}
	return v1alpha1.FleetRecord{Revision: revision}
}
