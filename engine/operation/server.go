package operation

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// SummariseServer sets a Server's conditions from the rest of its status and from what it shares
// with other Servers.
func SummariseServer(status *v1alpha1.ServerStatus, generation int64, conflicts []string, now metav1.Time) {
	status.ObservedGeneration = generation
	set := func(kind string, value metav1.ConditionStatus, reason, message string) {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{Type: kind, Status: value, Reason: reason,
			Message: bounded(message), ObservedGeneration: generation, LastTransitionTime: now})
	}
	healthy, stalled := metav1.ConditionTrue, metav1.ConditionFalse
	reason, message := v1alpha1.ReasonReady, "nothing is known against it"
	if machine := unhealthyMachine(status); machine != nil {
		healthy, reason, message = metav1.ConditionFalse, v1alpha1.ReasonMachineUnhealthy, machine.Reason+": "+machine.Message
	}
	if q := status.Quarantine; q != nil {
		healthy, stalled, reason = metav1.ConditionFalse, metav1.ConditionTrue, v1alpha1.ReasonQuarantined
		message = fmt.Sprintf("quarantined since Operation %s ended %s: %s", q.Operation, q.Reason, q.Message)
	}
	if len(conflicts) > 0 {
		healthy, stalled, reason = metav1.ConditionFalse, metav1.ConditionTrue, v1alpha1.ReasonIdentityConflict
		message = fmt.Sprintf("it shares its identity with another: %s; nothing is done to either before the wrong one is corrected", strings.Join(conflicts, ", "))
	}
	set(v1alpha1.ConditionHealthy, healthy, reason, message)
	set(v1alpha1.ConditionStalled, stalled, reason, message)

	ready := metav1.ConditionFalse
	switch {
	case stalled == metav1.ConditionTrue:
	case status.ActiveOperation != nil:
		reason = v1alpha1.ReasonProvisioning
		message = fmt.Sprintf("Operation %s is at work on it", status.ActiveOperation.Name)
	case healthy == metav1.ConditionFalse:
	case status.State == v1alpha1.ServerReady:
		ready, message = metav1.ConditionTrue, "runs "+status.CurrentOS
	case status.State == v1alpha1.ServerOff:
		reason, message = "Off", "powered off"
	case status.State == v1alpha1.ServerUntouched:
		// Nothing is expected of it, so nothing is missing.
		ready, reason, message = metav1.ConditionTrue, v1alpha1.ReasonUntouched, "nothing was ever done to it"
	default:
		reason, message = v1alpha1.ReasonUnreachable, string(status.State)
	}
	set(v1alpha1.ConditionReady, ready, reason, message)
	if status.ActiveOperation != nil {
		set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, message)
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionReconciling)
	}
}

// unhealthyMachine gives what is said against the machine itself; nil for nothing.
func unhealthyMachine(status *v1alpha1.ServerStatus) *metav1.Condition {
	said := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionMachineHealthy)
	if said == nil || said.Status != metav1.ConditionFalse {
		return nil
	}
	return said
}

// DecideServer gives the status that a Server should have for what its spec and annotations ask of
// it: released, adopted, or quarantined because the Operation that had its claim is gone. Nil where
// nothing is to be written. ownerGone says that the API server itself was asked for the Operation
// that has the claim, and there is none of that UID.
func DecideServer(server *v1alpha1.Server, adopted *Profile, conflicts []string, ownerGone bool, now metav1.Time) *v1alpha1.ServerStatus {
	status := server.Status.DeepCopy()
	changed := release(server, status)
	if status.ActiveOperation != nil && ownerGone {
		quarantineOrphan(server, status, now)
		changed = true
	}
	changed = adopt(server, status, adopted, now) || changed
	if !changed && !conditionNews(server, conflicts) {
		return nil
	}
	SummariseServer(status, server.Generation, conflicts, now)
	return status
}

// release takes a Server out of the quarantine that its annotation names.
func release(server *v1alpha1.Server, status *v1alpha1.ServerStatus) bool {
	if status.Quarantine == nil || server.Annotations[v1alpha1.AnnotationRelease] != status.Quarantine.UID {
		return false
	}
	status.Quarantine = nil
	status.State = v1alpha1.ServerUntouched
	if status.Applied != nil {
		status.State = v1alpha1.ServerReady
	}
	return true
}

// quarantineOrphan keeps everything off a Server whose claim has no owner any more.
func quarantineOrphan(server *v1alpha1.Server, status *v1alpha1.ServerStatus, now metav1.Time) {
	owner := status.ActiveOperation
	status.Quarantine = &v1alpha1.Quarantine{
		Operation: owner.Name, UID: owner.UID, Reason: v1alpha1.ReasonOperationGone, Since: now, JobMayRun: true,
		Message: fmt.Sprintf("Operation %s had the claim and is gone; its job may still run. Look at the machine, then: stargate release server %s", owner.Name, server.Name),
	}
	status.ActiveOperation = nil
	status.State, status.CurrentOS, status.Applied = v1alpha1.ServerError, "", nil
}

// adopt records what a machine in use runs, where nothing was ever done to it.
func adopt(server *v1alpha1.Server, status *v1alpha1.ServerStatus, adopted *Profile, now metav1.Time) bool {
	wanted := server.Spec.Adopt != nil && adopted != nil && adopted.Problem == nil
	fresh := status.State == v1alpha1.ServerUntouched && status.ActiveOperation == nil && status.Quarantine == nil && status.LastOperation == nil
	if !wanted || !fresh {
		return false
	}
	status.State, status.CurrentOS = v1alpha1.ServerReady, adopted.Image.OSVersion
	status.Applied = &v1alpha1.Applied{Profile: adopted.Name, Hash: adopted.Hash, OSVersion: adopted.Image.OSVersion, At: now}
	return true
}

// conditionNews tells whether the conditions do not yet say what the Server shares, or what its machine
// suffers from, or still do. A Server of which nothing is known and that shares nothing needs no
// conditions, and no write.
func conditionNews(server *v1alpha1.Server, conflicts []string) bool {
	healthy := meta.FindStatusCondition(server.Status.Conditions, v1alpha1.ConditionHealthy)
	said := func(reason string) bool { return healthy != nil && healthy.Reason == reason }
	stale := healthy != nil && server.Status.ObservedGeneration != server.Generation
	machine := unhealthyMachine(&server.Status)
	// What is worse is said in its stead.
	outweighed := len(conflicts) > 0 || server.Status.Quarantine != nil
	ailing := machine != nil && !outweighed
	return said(v1alpha1.ReasonIdentityConflict) != (len(conflicts) > 0) || stale ||
		said(v1alpha1.ReasonMachineUnhealthy) != ailing || ailing && healthy.Message != bounded(machine.Reason+": "+machine.Message)
}
