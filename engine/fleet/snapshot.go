package fleet

import (
	"time"

	"stargate.io/stargate/api/v1alpha1"
)

// Snapshot is everything that a decision may know. It is a value: Decide changes nothing in it.
type Snapshot struct {
	// Now is the time of the decision.
	Now time.Time
	// Fleet as last read. Never nil.
	Fleet *v1alpha1.Fleet
	// Groups that come from the fleet.
	Groups []*v1alpha1.ServerGroup
	// Known is what this process has learned of the repository. A new process knows nothing.
	Known Known
}

// Known is what a process has learned of a fleet's repository since it started.
type Known struct {
	// Busy with what was asked for before: its answer comes in a later pass.
	Busy bool
	// BusySince then.
	BusySince time.Time
	// Noticed is when somebody last said that the repository changed; zero for never.
	Noticed time.Time
	// Looked is when the last look began that got an answer, a failure included; zero for none.
	Looked time.Time
	// LookedFor is what the Fleet said when it began.
	LookedFor Wish
	// Head is where the ref pointed, as last learned.
	Head *Head
	// Failure of the last look, fetch or apply; nil where it went well.
	Failure *Failure
	// Commits that were read, by hash.
	Commits map[string]*Commit
	// Forecasts of what commits that were read would do, by hash.
	Forecasts map[string]*Forecast
	// Sent is what became of the last apply; nil for none.
	Sent *Sent
	// Touched is when somebody last changed an object of the fleet; Compared is when its objects were
	// last compared with those of ComparedWith, a commit, and then Differing of them were not as it says.
	Touched, Compared time.Time
	ComparedWith      string
	Differing         int
	// Waiting are Servers that left the repository and stay until their Operation ends.
	Waiting []string
}

// Wish is what in a Fleet asks for a look.
type Wish struct {
	Generation  int64
	RequestedAt string
}

// Head is where a ref points.
type Head struct {
	// Revision as status has it, for example "main@sha1:9f1c2ab…".
	Revision string
	// Commit by its full hash.
	Commit string
}

// Commit that was read.
type Commit struct {
	Head
	// Author and Subject of it.
	Author, Subject string
	// SignedBy is the key that signed it; empty for none that is known.
	SignedBy string
	// Refusal is the reason why nothing of it may be applied; nil for none.
	Refusal *Refusal
	// Digest over its objects, and Objects of it.
	Digest  string
	Objects int
	// Kinds and how many objects it has of each.
	Kinds []v1alpha1.KindCount
	// Lost: it was asked for by its hash, and the repository has it no more.
	Lost bool
}

// Refusal tells why a commit is not applied.
type Refusal struct {
	Reason, Message string
	// Errors with file and line.
	Errors []v1alpha1.SourceError
	// Count of all of them.
	Count int
}

// Forecast of what a commit would do.
type Forecast struct {
	// Repaves and Deletes that would follow, and Changes in all.
	Repaves, Deletes, Changes int
	// Allowed by the guard without an approval; else Message says what is more than was allowed.
	Allowed bool
	Message string
	// Observed and Limit of what is more.
	Observed, Limit string
	// Refusal by what is in the cluster already, such as objects of another fleet; nil for none.
	Refusal *Refusal
}

// Failure of something that may go well another time.
type Failure struct {
	At              time.Time
	Reason, Message string
	// Permanent: only a person can mend it. It is tried again all the same.
	Permanent bool
	// After is the least time until the next try, where the other side named one.
	After time.Duration
	// Errors with file and line, where objects were refused.
	Errors []v1alpha1.SourceError
	// Number of it among the failures in a row.
	Number int32
	// Of is the commit that could not be fetched or applied; empty where the look itself failed.
	// Applying: it was being applied.
	Of       string
	Applying bool
}

// Sent is what became of an apply.
type Sent struct {
	Commit string
	Number int64
	At     time.Time
	// PutBack: it was no new commit, but what somebody had changed.
	PutBack bool
	// Created, Changed and Pruned objects.
	Created, Changed, Pruned int
	// Whole: nothing of the commit is missing.
	Whole bool
}
