package fleet

import (
	"strings"

	"stargate.io/stargate/api/v1alpha1"
)

// Stage is how far a Fleet is on its way.
type Stage string

// The stages.
const (
	Suspended Stage = "Suspended"
	// Looking: where the ref points is not known yet.
	Looking Stage = "Looking"
	// Fetching: the commit was not read yet.
	Fetching Stage = "Fetching"
	// Refused: something is wrong with the commit.
	Refused Stage = "Refused"
	// Weighing: what it would do is not known yet.
	Weighing Stage = "Weighing"
	// Held: the guard waits for an approval.
	Held Stage = "Held"
	// Passing: it may be applied, and that is not written down yet.
	Passing Stage = "Passing"
	// Applying: it is written down, and not all of it is in.
	Applying Stage = "Applying"
	// Finishing: all of it is in, and that is not written down yet.
	Finishing Stage = "Finishing"
	// Applied: the ref's commit is in.
	Applied Stage = "Applied"
)

// Stages in the order of the way.
var Stages = []Stage{Suspended, Looking, Fetching, Refused, Weighing, Held, Passing, Applying, Finishing, Applied}

// StageOf tells how far the commit is that the ref points at.
func StageOf(s *Snapshot) Stage {
	if IsSuspended(s.Fleet, s.Now) {
		return Suspended
	}
	head := s.Known.Head
	if head == nil {
		return Looking
	}
	commit := s.Known.Commits[head.Commit]
	status := &s.Fleet.Status
	switch {
	case commit == nil && status.Applying == nil && appliedCommit(status) == head.Commit:
		return Applied
	case commit == nil || commit.Lost:
		return Fetching
	case commit.Refusal != nil:
		return Refused
	case isApplied(status, commit):
		return Applied
	case status.Applying != nil && status.Applying.Commit == commit.Commit:
		return applyingStage(s)
	}
	return guardStage(s, commit)
}

// guardStage tells whether a commit that is not applied may be.
func guardStage(s *Snapshot, commit *Commit) Stage {
	forecast := s.Known.Forecasts[commit.Commit]
	switch {
	case forecast == nil:
		return Weighing
	case forecast.Refusal != nil:
		return Refused
	case forecast.Allowed || Approved(s.Fleet, commit.Commit):
		return Passing
	}
	return Held
}

func applyingStage(s *Snapshot) Stage {
	applying, sent := s.Fleet.Status.Applying, s.Known.Sent
	if sent != nil && sent.Whole && !sent.PutBack && sent.Commit == applying.Commit && sent.Number == applying.Number {
		return Finishing
	}
	return Applying
}

// isApplied tells whether the cluster holds a commit whole: the very objects, since another path may
// give others.
func isApplied(status *v1alpha1.FleetStatus, commit *Commit) bool {
	return status.Applying == nil && appliedCommit(status) == commit.Commit &&
		status.Inventory != nil && status.Inventory.Digest == commit.Digest
}

// appliedCommit is the hash of the commit that was last applied whole; empty for none.
func appliedCommit(status *v1alpha1.FleetStatus) string { return CommitOf(status.LastAppliedRevision) }

// CommitOf a revision such as "main@sha1:9f1c2ab…".
func CommitOf(revision string) string {
	if _, hash, ok := cutLast(revision, ":"); ok {
		return hash
	}
	return ""
}

func cutLast(text, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(text, sep); i >= 0 {
		return text[:i], text[i+len(sep):], true
	}
	return text, "", false
}

// leastPrefix of a commit that an approval may name instead of the whole.
const leastPrefix = 12

// Approved tells whether somebody let a commit pass the guard.
func Approved(fleet *v1alpha1.Fleet, commit string) bool {
	named := strings.ToLower(strings.TrimSpace(fleet.Annotations[v1alpha1.AnnotationApprove]))
	return len(named) >= leastPrefix && strings.HasPrefix(commit, named)
}

// failureOf gives the failure that still matters: that of a commit which nobody wants any more does not.
func failureOf(s *Snapshot) *Failure {
	failure, applying := s.Known.Failure, s.Fleet.Status.Applying
	switch {
	case failure == nil:
		return nil
	case failure.Of == "", s.Known.Head == nil, failure.Of == s.Known.Head.Commit:
		return failure
	case applying != nil && failure.Of == applying.Commit:
		return failure
	}
	return nil
}

// unfinished gives the commit of an apply that did not become whole and that the ref's commit cannot
// replace, since that one is refused or held; nil for none.
func unfinished(s *Snapshot, stage Stage) *v1alpha1.ApplyingRevision {
	applying := s.Fleet.Status.Applying
	if applying == nil || (stage != Refused && stage != Held) || applying.Commit == s.Known.Head.Commit {
		return nil
	}
	return applying
}
