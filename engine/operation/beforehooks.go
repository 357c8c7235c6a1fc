package operation

import (
	"fmt"

	"stargate.io/stargate/api/v1alpha1"
)

// decideBefore brings an admitted Operation through the hooks that run before the claim; nil where there
// are none, or all have ended. Which they are is settled once, when the first begins: later attempts
// run none again. One that has the claim or an attempt already is past them.
func decideBefore(s *Snapshot) Effect {
	if sideBegun(&s.Operation.Status, v1alpha1.HookBefore) {
		return decideHooks(s, v1alpha1.HookBefore)
	}
	if s.claimed() || s.dispatched() || len(s.matching(v1alpha1.HookBefore)) == 0 {
		return nil
	}
	status := s.Operation.Status.DeepCopy()
	status.DecidedOn = decidedOn(s)
	listHooks(s, status, v1alpha1.HookBefore)
	return writeTurn(s, status, v1alpha1.HookBefore, nil)
}

// failedBefore ends an Operation one of whose hooks failed before the job; nil where none did.
func failedBefore(s *Snapshot) Effect {
	failed := failedHook(&s.Operation.Status, v1alpha1.HookBefore)
	if failed == nil {
		return nil
	}
	return endWaiting(s, v1alpha1.OperationFailed, failed.Reason,
		fmt.Sprintf("hook %s failed before anything was sent to the site: %s", failed.Name, failed.Message))
}
