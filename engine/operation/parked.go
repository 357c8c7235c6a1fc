package operation

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// How a person says what became of a request whose reply was lost (AnnotationResolve).
const (
	resolvedItRan    = "it-ran"
	resolvedItDidNot = "it-did-not"
)

// parked tells whether the site cannot tell what became of the open attempt.
func parked(status *v1alpha1.OperationStatus) bool {
	condition := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionDispatched)
	return condition != nil && condition.Status == metav1.ConditionUnknown
}

// parkLost parks an Operation whose site knows no request ids.
func parkLost(s *Snapshot, attempt *v1alpha1.Attempt) Effect {
	return park(s, fmt.Sprintf("the reply of %s to attempt %d was lost, and the site knows no request id", siteName(s), attempt.Number))
}

// park keeps server and budget until somebody knows what became of the request.
func park(s *Snapshot, why string) Effect {
	message := fmt.Sprintf("%s: a job may run on %s. Look at the machine, then say which: stargate resolve operation %s -n %s --it-ran|--it-did-not --reason …",
		why, s.Operation.Spec.ServerRef.Name, s.Operation.Name, s.Operation.Namespace)
	status := s.Operation.Status.DeepCopy()
	setHolds(s, status, []v1alpha1.Hold{{Source: "Datacenter/" + s.Site.Name, Reason: v1alpha1.ReasonUnknown,
		Message: message, ClearsWhen: "a person says whether it ran"}})
	setCondition(s, status, v1alpha1.ConditionDispatched, metav1.ConditionUnknown, v1alpha1.ReasonUnknown, message)
	summarise(s, status)
	return WriteStatus{Status: *status, Event: &Event{Warning: true, Reason: v1alpha1.ReasonUnknown, Message: message}}
}

// decideParked waits for a late reply or for a person's word.
func decideParked(s *Snapshot) Effect {
	attempt := s.openAttempt()
	if reply := s.reply(CallStart, attempt); reply != nil && reply.Err == nil {
		return writeRunning(s, reply.Job)
	}
	reason := s.Operation.Annotations[v1alpha1.AnnotationResolveReason]
	switch resolution(s.Operation, attempt) {
	case resolvedItRan:
		return settleOpen(s, v1alpha1.OperationSucceeded, v1alpha1.AttemptSucceeded, v1alpha1.ReasonResolved,
			bounded("somebody said that it ran: "+reason), serverDone)
	case resolvedItDidNot:
		if stop := s.stopWanted(); stop != "" {
			return settleOpen(s, v1alpha1.OperationCancelled, v1alpha1.AttemptWithdrawn, stop, stopMessage(s, stop), serverUntouched)
		}
		status := s.Operation.Status.DeepCopy()
		endAttempt(s, status, v1alpha1.AttemptWithdrawn, bounded("somebody said that it did not run: "+reason))
		clearHolds(s, status)
		setCondition(s, status, v1alpha1.ConditionDispatched, metav1.ConditionFalse, v1alpha1.ReasonResolved, "it did not run")
		summarise(s, status)
		return WriteStatus{Status: *status}
	}
	return Wait{}
}

// resolution reads what a person said of this very attempt.
func resolution(op *v1alpha1.Operation, attempt *v1alpha1.Attempt) string {
	id, word, found := strings.Cut(op.Annotations[v1alpha1.AnnotationResolve], "=")
	if !found || id != attempt.RequestID {
		return ""
	}
	return word
}
