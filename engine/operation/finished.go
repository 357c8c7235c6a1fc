package operation

import (
	"slices"
	"time"

	"stargate.io/stargate/api/v1alpha1"
)

// decideFinished leaves nothing behind: no claim, no finalizer once deleted, no object once its time
// to live is over.
func decideFinished(s *Snapshot) Effect {
	op := s.Operation
	if s.claimed() {
		return WriteServer{Status: giveBack(s)}
	}
	if s.deleting() {
		if hasFinalizer(op) {
			return RemoveFinalizer{}
		}
		return Wait{}
	}
	if op.Status.ObservedGeneration != op.Generation {
		status := op.Status.DeepCopy()
		observe(s, status)
		return WriteStatus{Status: *status}
	}
	if ttl := op.Spec.TTLSecondsAfterFinished; ttl != nil && op.Status.CompletionTime != nil {
		due := op.Status.CompletionTime.Add(time.Duration(*ttl) * time.Second)
		if !due.After(s.Now) {
			return Delete{}
		}
		return Wait{Until: due}
	}
	return Wait{}
}

func hasFinalizer(op *v1alpha1.Operation) bool {
	return slices.Contains(op.Finalizers, v1alpha1.Finalizer)
}
