package operation_test

import (
	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// whyMoved names what a move was for, as the state diagram shows it.
func whyMoved(from, to operation.Stage, status *v1alpha1.OperationStatus) string {
	attempt := status.LastAttempt()
	switch to {
	case operation.StageFinished:
		return string(status.Phase)
	case operation.StageDispatching:
		return "intent"
	case operation.StageParked:
		return "the site cannot tell"
	case operation.StageStopping:
		if from == operation.StageParked {
			return "job"
		}
		return attempt.StopReason
	case operation.StageRunning:
		return "job"
	case operation.StageAfterHooks:
		return string(attempt.Outcome)
	case operation.StageWaiting:
		return string(attempt.Outcome)
	}
	return "?"
}
