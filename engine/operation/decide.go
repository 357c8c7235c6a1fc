package operation

import (
	"stargate.io/stargate/api/v1alpha1"
)

// Stage is where an Operation stands, read from its status alone.
type Stage string

// The stages.
const (
	// StageWaiting: nothing is open at the site.
	StageWaiting Stage = "Waiting"
	// StageDispatching: an intent is written, and no job is known.
	StageDispatching Stage = "Dispatching"
	// StageParked: the site cannot tell whether there is a job.
	StageParked Stage = "Parked"
	// StageRunning: a job is known and is wanted.
	StageRunning Stage = "Running"
	// StageStopping: a job may be there and is not wanted any more.
	StageStopping Stage = "Stopping"
	// StageAfterHooks: the job has ended, and hooks run after it.
	StageAfterHooks Stage = "AfterHooks"
	// StageFinished: the phase is an end.
	StageFinished Stage = "Finished"
)

// stages maps each stage to its handler; a test shows that it is complete.
var stages = map[Stage]func(*Snapshot) Effect{
	StageWaiting:     decideWaiting,
	StageDispatching: decideDispatching,
	StageParked:      decideParked,
	StageRunning:     decideRunning,
	StageStopping:    decideStopping,
	StageAfterHooks:  decideAfterHooks,
	StageFinished:    decideFinished,
}

// StageOf tells where an Operation stands.
func StageOf(status *v1alpha1.OperationStatus) Stage {
	if status.Phase.Terminal() {
		return StageFinished
	}
	if status.JobEnd != nil {
		return StageAfterHooks
	}
	attempt := status.LastAttempt()
	switch {
	case attempt == nil || attempt.Outcome != "":
		return StageWaiting
	case parked(status):
		return StageParked
	case attempt.StopReason != "":
		return StageStopping
	case attempt.JobID == "":
		return StageDispatching
	default:
		return StageRunning
	}
}

// Decide gives the next effect for an Operation.
func Decide(s Snapshot) Effect {
	stage := StageOf(&s.Operation.Status)
	if stage != StageFinished && s.recorded() != nil && !s.claimed() {
		return endFromRecord(&s)
	}
	if (s.Calling || s.HookRuns) && stage != StageFinished {
		return Wait{}
	}
	if stage == StageWaiting || stage == StageAfterHooks {
		if effect := foldHook(&s); effect != nil {
			return effect
		}
	}
	if s.Stopping && stage == StageWaiting {
		return Wait{}
	}
	return stages[stage](&s)
}
