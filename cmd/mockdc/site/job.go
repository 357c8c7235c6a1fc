package site

import (
	"fmt"
	"time"

	"stargate.io/stargate/drivers/dcapi/wire"
)

// A job waits for one part in queueShare of its whole time before it begins, and a cancellation takes one part
// in cancelShare to come through.
const (
	queueShare  = 50
	cancelShare = 20
)

// beginsAt gives when the job starts to work on its machine.
func (j *job) beginsAt() time.Time {
	if j.spec.Unchanged {
		return j.accepted
	}
	return j.accepted.Add(j.spec.Total / queueShare)
}

// next gives what happens to the job next, and when; never is true for one that hangs.
func (j *job) next() (kind EventKind, at time.Time, never bool) {
	if j.began.IsZero() && (j.end.never || j.end.at.After(j.beginsAt())) {
		return Began, j.beginsAt(), false
	}
	return Ended, j.end.at, j.end.never
}

// plan gives how the job will end if nothing more happens to it: the earliest of its own end, its failure, its
// timeout and its cancellation.
func (j *job) plan() outcome {
	if j.spec.Unchanged {
		return outcome{at: j.accepted, phase: wire.PhaseSucceeded, message: "nothing to do: the machine already has this profile"}
	}
	stages := stagesOf(j.action)
	end := outcome{
		at: j.accepted.Add(j.spec.Total), phase: wire.PhaseSucceeded, never: j.spec.Hangs,
		stage: stages[len(stages)-1].name, message: string(j.action) + " finished",
	}
	if at, ok := startOf(j.action, j.spec.FailStage, j.spec.Total); ok {
		// Half a percent into the stage, so that the stage can be seen before it fails.
		end = outcome{at: j.accepted.Add(at + j.spec.Total/200), phase: wire.PhaseFailed, stage: j.spec.FailStage,
			message: j.spec.FailStage + ": failed as it was told to"}
	}
	if at := j.accepted.Add(j.spec.Timeout); j.spec.Timeout > 0 && (end.never || at.Before(end.at)) {
		end = outcome{at: at, phase: wire.PhaseFailed, message: fmt.Sprintf("timed out after %s", j.spec.Timeout)}
	}
	if at := j.cancelledBy(); !at.IsZero() && (end.never || at.Before(end.at)) {
		end = outcome{at: at, phase: wire.PhaseCancelled, message: "cancelled on request"}
	}
	if end.stage == "" {
		end.stage, _ = stageAt(j.action, end.at.Sub(j.accepted), j.spec.Total)
	}
	end.touched = end.never || j.touchedBy(end.at, end.phase)
	return end
}

// cancelledBy gives when a cancellation comes through, zero when there was none: at once for a job that has not
// begun, so that it never does.
func (j *job) cancelledBy() time.Time {
	if j.cancelled.IsZero() || j.began.IsZero() {
		return j.cancelled
	}
	return j.cancelled.Add(j.spec.Total / cancelShare)
}

// touchedBy tells whether the job has changed the machine at a given time.
func (j *job) touchedBy(at time.Time, phase wire.Phase) bool {
	if phase == wire.PhaseSucceeded {
		return j.action != wire.ActionInspect
	}
	if j.action != wire.ActionRepave {
		return !j.began.IsZero() && j.action != wire.ActionInspect
	}
	start, _ := startOf(j.action, touchesFrom, j.spec.Total)
	return !at.Before(j.accepted.Add(start))
}

// view gives the job as the DC API shows it.
func (j *job) view(now time.Time) wire.Job {
	view := wire.Job{JobID: j.id, RequestID: j.requestID, Phase: j.phase}
	switch {
	case !j.ended.IsZero():
		view.Stage, view.Message = j.end.stage, j.end.message
		view.Percent = 100
		if j.phase != wire.PhaseSucceeded {
			view.Percent = int32(percentOf(j.ended.Sub(j.accepted), j.spec.Total)) //nolint:gosec // 0 to 100
		}
		view.Untouched = j.spec.Unchanged || !j.end.touched
		view.Unchanged = j.spec.Unchanged
		view.Facts = j.facts
	case j.phase == wire.PhasePending:
		view.Message = "waiting to begin"
	default:
		view.Stage, view.Percent = stageAt(j.action, now.Sub(j.accepted), j.spec.Total)
		view.Percent = min(view.Percent, 99)
		view.Message = view.Stage
		if !j.cancelled.IsZero() {
			view.Message = view.Stage + ": being cancelled"
		}
	}
	return view
}

// factsOf gives what a job tells of its machine as it ends.
func factsOf(machine Machine, j *job) *wire.Facts {
	facts := &wire.Facts{Power: machine.Power, OSVersion: machine.OSVersion, ProfileHash: machine.ProfileHash}
	if j.action == wire.ActionInspect && j.phase == wire.PhaseSucceeded {
		facts.Hardware = map[string]string{"cpus": "64", "memoryGiB": "512", "diskGiB": "3840", "vendor": "Pretend"}
	}
	return facts
}
