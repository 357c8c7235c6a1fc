package fleet

import (
	"time"

	"stargate.io/stargate/api/v1alpha1"
)

// Decide gives the next thing to do.
func Decide(s Snapshot) Effect {
	if s.Fleet.DeletionTimestamp != nil {
		return Rest{}
	}
	stage := StageOf(&s)
	if effect := ask(&s, stage); effect != nil {
		return effect
	}
	if write := conclude(&s, stage); write != nil {
		return *write
	}
	if effect := act(&s, stage); effect != nil {
		return effect
	}
	return Rest{Until: wake(&s, stage)}
}

// ask gives what must be learned next; nil where nothing must, or something is on its way.
func ask(s *Snapshot, stage Stage) Effect {
	if s.Known.Busy || stage == Suspended {
		return nil
	}
	if !lookAt(s).After(s.Now) {
		return Resolve{For: wishOf(s.Fleet)}
	}
	if failure := failureOf(s); failure != nil && !retrying(s, failure) {
		return nil
	}
	if stage == Fetching {
		return Fetch{Head: *s.Known.Head}
	}
	if stage == Weighing {
		return Weigh{Commit: s.Known.Head.Commit}
	}
	if applying := unfinished(s, stage); applying != nil {
		if s.Known.Commits[applying.Commit] == nil {
			return Fetch{Head: Head{Revision: applying.Revision, Commit: applying.Commit}, Quiet: true}
		}
		return nil
	}
	return askDrift(s, stage)
}

// askDrift gives what must be learned to put back what somebody changed: the objects of the commit
// that is applied, and which of the cluster's differ.
func askDrift(s *Snapshot, stage Stage) Effect {
	status := &s.Fleet.Status
	applied := appliedCommit(status)
	if status.Applying != nil || applied == "" || (stage != Applied && stage != Refused && stage != Held) {
		return nil
	}
	commit := s.Known.Commits[applied]
	if commit == nil {
		return Fetch{Head: Head{Revision: status.LastAppliedRevision, Commit: applied}, Quiet: true}
	}
	if isApplied(status, commit) && !compareAt(s, applied).IsZero() && !compareAt(s, applied).After(s.Now) {
		return Compare{Commit: applied}
	}
	return nil
}

// compareAt is when objects are compared next; zero for not before somebody changes one.
func compareAt(s *Snapshot, commit string) time.Time {
	known := &s.Known
	switch {
	case known.ComparedWith != commit:
		return s.Now
	case known.Touched.After(known.Compared):
		return known.Touched.Add(debounce)
	}
	return time.Time{}
}

// act gives what may be sent now.
func act(s *Snapshot, stage Stage) Effect {
	if s.Known.Busy || stage == Suspended {
		return nil
	}
	if failure := failureOf(s); failure != nil && !retrying(s, failure) {
		return nil
	}
	if applying := s.Fleet.Status.Applying; applying != nil {
		return goOn(s, stage, applying)
	}
	applied := appliedCommit(&s.Fleet.Status)
	if applied != "" && s.Known.ComparedWith == applied && s.Known.Differing > 0 {
		return Apply{Commit: applied, Number: s.Fleet.Status.Applies, PutBack: true}
	}
	return nil
}

// goOn with an apply that is not whole, where its commit can be read.
func goOn(s *Snapshot, stage Stage, applying *v1alpha1.ApplyingRevision) Effect {
	if stage != Applying && unfinished(s, stage) == nil {
		return nil
	}
	if commit := s.Known.Commits[applying.Commit]; commit == nil || commit.Lost || commit.Refusal != nil {
		return nil
	}
	return Apply{Commit: applying.Commit, Number: applying.Number}
}

// wake is when something is to be done though nothing changes; zero for never.
func wake(s *Snapshot, stage Stage) time.Time {
	if stage == Suspended {
		if until := s.Fleet.Spec.SuspendUntil; until != nil {
			return until.Time
		}
		return time.Time{}
	}
	if s.Known.Busy {
		if told := s.Known.BusySince.Add(slow); told.After(s.Now) {
			return told
		}
		return time.Time{}
	}
	next := lookAt(s)
	if compare := compareAt(s, appliedCommit(&s.Fleet.Status)); compare.After(s.Now) && compare.Before(next) {
		next = compare
	}
	return next
}
