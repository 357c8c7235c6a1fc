package operation

import (
	"slices"

	"stargate.io/stargate/api/v1alpha1"
)

// HasPlace tells whether an Operation is counted: it was dispatched or may have been, waits for another
// attempt, or its hooks have begun.
func HasPlace(status *v1alpha1.OperationStatus) bool {
	if status.Phase.Terminal() {
		return false
	}
	if HooksBegun(status) {
		return true
	}
	tried := slices.ContainsFunc(status.Attempts, func(a v1alpha1.Attempt) bool { return a.Outcome != v1alpha1.AttemptWithdrawn })
	return len(status.Attempts) > 0 && (tried || StageOf(status) != StageWaiting)
}
