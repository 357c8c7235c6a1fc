package fleet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// readiness of a fleet whose commit is applied: that of its groups.
func readiness(s *Snapshot, status *v1alpha1.FleetStatus) verdict {
	var stalled, waiting []string
	for _, group := range s.Groups {
		if group.DeletionTimestamp != nil {
			continue
		}
		name := group.Namespace + "/" + group.Name
		switch {
		case meta.IsStatusConditionTrue(group.Status.Conditions, v1alpha1.ConditionStalled) && isSeen(group):
			stalled = append(stalled, withHold(name, group))
		case !isReady(group):
			waiting = append(waiting, withHold(name, group))
		}
	}
	slices.Sort(stalled)
	slices.Sort(waiting)
	revision := Short(status.LastAppliedRevision)
	switch {
	case len(stalled) > 0:
		return verdict{reason: v1alpha1.ReasonRolloutStalled, stalled: true,
			message: fmt.Sprintf("%s is applied, and %s of %d stalled: %s; see stargate rollout status", revision, counted(len(stalled), "group"), len(s.Groups), some(stalled))}
	case len(waiting) > 0:
		return verdict{reason: v1alpha1.ReasonRollingOut, reconciling: true,
			message: fmt.Sprintf("%s is applied, and %d of %s not there yet: %s", revision, len(waiting), counted(len(s.Groups), "group"), some(waiting))}
	}
	objects := 0
	if status.Inventory != nil {
		objects = int(status.Inventory.Objects)
	}
	return verdict{reason: v1alpha1.ReasonApplied, ready: true,
		message: fmt.Sprintf("%s is applied: %s, %s up to date", revision, counted(objects, "object"), counted(len(s.Groups), "group"))}
}

// withHold names a group and what only a person can clear. What counts or times is left out: each
// change of it would be a write.
func withHold(name string, group *v1alpha1.ServerGroup) string {
	for i := range group.Status.Holds {
		switch reason := group.Status.Holds[i].Reason; reason {
		case v1alpha1.ReasonApprovalRequired, v1alpha1.ReasonRolloutPaused, v1alpha1.ReasonTooManyFailures, v1alpha1.ReasonServerFailed, v1alpha1.ReasonGroupConflict,
			v1alpha1.ReasonProfileNotFound, v1alpha1.ReasonEdited:
			return name + " (" + reason + ")"
		}
	}
	return name
}

// isReady tells whether a group is ready, and not for what was asked of it before.
func isReady(group *v1alpha1.ServerGroup) bool {
	ready := meta.FindStatusCondition(group.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && ready.Status == metav1.ConditionTrue && isSeen(group)
}

// isSeen tells whether a group's status speaks of its spec, and of the apply that last changed what
// its servers should have.
func isSeen(group *v1alpha1.ServerGroup) bool {
	if group.Status.ObservedGeneration != group.Generation {
		return false
	}
	apply, _, ok := strings.Cut(group.Annotations[v1alpha1.AnnotationReleased], " ")
	if !ok {
		return true
	}
	number, err := strconv.ParseInt(apply, 10, 64)
	return err == nil && group.Status.Revision.Apply >= number
}
