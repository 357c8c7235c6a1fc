package fleet

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// conclusions say, stage by stage, what status tells.
var conclusions = map[Stage]func(*Snapshot) *draft{
	Suspended: suspended,
	Looking:   looking,
	Fetching:  fetching,
	Weighing:  fetching,
	Refused:   refused,
	Held:      held,
	Passing:   beginApply,
	Applying:  applying,
	Finishing: finishApply,
	Applied:   applied,
}

// conclude gives the status write that is due; nil where status says so already.
func conclude(s *Snapshot, stage Stage) *WriteStatus {
	if stage == Passing && s.Known.Busy {
		return nil // what is being sent of an older commit ends first
	}
	if sent := s.Known.Sent; unfinished(s, stage) != nil && applyingStage(s) == Finishing && sent != nil {
		return finishApply(s).write()
	}
	if failure := failureOf(s); failure != nil && stage != Suspended && stage != Passing && stage != Finishing && stage != Refused {
		return failing(s, failure).write()
	}
	return conclusions[stage](s).write()
}

func suspended(s *Snapshot) *draft {
	d := newDraft(s, "Suspend")
	spec := &s.Fleet.Spec
	message := "the fleet is suspended"
	if spec.SuspendUntil != nil {
		message += " until " + spec.SuspendUntil.UTC().Format(time.RFC3339)
	}
	if spec.Reason != "" {
		message += ": " + spec.Reason
	}
	d.hold(v1alpha1.Hold{Source: "Suspend", Reason: v1alpha1.ReasonSuspended, Message: message, Until: spec.SuspendUntil,
		ClearsWhen: "stargate fleet resume " + s.Fleet.Name})
	message += "; " + stays(d.status) + ", and no rollout of it starts anything"
	d.say(verdict{reason: v1alpha1.ReasonSuspended, message: message})
	d.tellChange(false, v1alpha1.ReasonSuspended, message)
	return d
}

// looking: status is left as it is, unless there is none, or the look takes its time and the spec is new.
func looking(s *Snapshot) *draft {
	d := newDraft(s, "")
	status := &s.Fleet.Status
	if len(status.Conditions) > 0 && (status.ObservedGeneration == s.Fleet.Generation || !isSlow(s)) {
		return d
	}
	d.step = "Look"
	message := "the repository is looked at"
	d.say(verdict{reason: v1alpha1.ReasonFetching, message: message, reconciling: true})
	return d
}

func isSlow(s *Snapshot) bool {
	return s.Known.Busy && !s.Known.BusySince.Add(slow).After(s.Now)
}

// fetching: a commit is on its way. It is worth a write only where it takes its time.
func fetching(s *Snapshot) *draft {
	d := newDraft(s, "")
	if !isSlow(s) {
		return d
	}
	d.step = "Fetch"
	d.say(verdict{reason: v1alpha1.ReasonFetching, reconciling: true,
		message: fmt.Sprintf("%s is being fetched; %s", Short(s.Known.Head.Revision), stays(d.status))})
	return d
}

func failing(s *Snapshot, failure *Failure) *draft {
	d := newDraft(s, "Fail")
	d.status.Failures = failure.Number
	message := fmt.Sprintf("%s; tried again at %s; %s", strings.TrimSuffix(failure.Message, "."),
		retryAt(s, failure).UTC().Format("15:04:05Z"), stays(d.status))
	if commit := s.Known.Commits[failure.Of]; failure.Applying && commit != nil {
		message = fmt.Sprintf("%s could not be applied whole: %s; tried again at %s; until it is whole no rollout of the fleet starts anything",
			Short(commit.Revision), strings.TrimSuffix(failure.Message, "."), retryAt(s, failure).UTC().Format("15:04:05Z"))
		d.errors(failure.Errors)
		d.status.LastAttemptedRevision = commit.Revision
		d.record(lineOf(s, commit, v1alpha1.FleetFailed, failure.Message))
	}
	d.hold()
	d.say(verdict{reason: failure.Reason, message: message, reconciling: !failure.Permanent, stalled: failure.Permanent})
	d.tellChange(true, failure.Reason, message)
	return d
}

func refused(s *Snapshot) *draft {
	d := newDraft(s, "Refuse")
	commit := s.Known.Commits[s.Known.Head.Commit]
	refusal := commit.Refusal
	if refusal == nil {
		refusal = s.Known.Forecasts[commit.Commit].Refusal
	}
	d.status.LastAttemptedRevision = commit.Revision
	d.status.Pending, d.status.Failures = nil, 0
	d.errors(refusal.Errors)
	if !d.told(commit.Revision, v1alpha1.FleetRefused) {
		d.record(lineOf(s, commit, v1alpha1.FleetRefused, refusal.Message))
	}
	d.hold()
	message := fmt.Sprintf("%s is refused: %s; %s", Short(commit.Revision), strings.TrimSuffix(refusal.Message, "."), stays(d.status))
	d.say(verdict{reason: refusal.Reason, message: message, stalled: true})
	if s.Fleet.Status.LastAttemptedRevision != commit.Revision {
		d.tell(true, refusal.Reason, message)
	}
	return d
}

func held(s *Snapshot) *draft {
	d := newDraft(s, "Hold")
	commit := s.Known.Commits[s.Known.Head.Commit]
	forecast := s.Known.Forecasts[commit.Commit]
	d.status.LastAttemptedRevision, d.status.Failures = commit.Revision, 0
	d.errors(nil)
	approve := fmt.Sprintf("stargate approve fleet %s --commit %s --reason …", s.Fleet.Name, commit.Commit)
	message := fmt.Sprintf("%s waits for an approval: %s; to let it pass: %s; %s", Short(commit.Revision),
		strings.TrimSuffix(forecast.Message, "."), approve, stays(d.status))
	since := metav1.NewTime(s.Now)
	if before := s.Fleet.Status.Pending; before != nil && before.Commit == commit.Commit {
		since = before.Since
	}
	d.status.Pending = &v1alpha1.PendingRevision{Revision: commit.Revision, Commit: commit.Commit, Repaves: int32Of(forecast.Repaves),
		Deletes: int32Of(forecast.Deletes), Message: bounded(forecast.Message), Since: since}
	d.hold(v1alpha1.Hold{Source: "Guard", Rule: Short(commit.Revision), Reason: v1alpha1.ReasonApprovalRequired, Message: message,
		Observed: forecast.Observed, Limit: forecast.Limit, ClearsWhen: approve})
	if !d.told(commit.Revision, v1alpha1.FleetPending) {
		d.record(lineOf(s, commit, v1alpha1.FleetPending, forecast.Message))
	}
	d.say(verdict{reason: v1alpha1.ReasonApprovalRequired, message: message})
	if before := s.Fleet.Status.Pending; before == nil || before.Commit != commit.Commit {
		d.tell(true, v1alpha1.ReasonApprovalRequired, message)
	}
	return d
}

// beginApply is the intent: it is in before the first object is sent.
func beginApply(s *Snapshot) *draft {
	d := newDraft(s, "BeginApply")
	commit := s.Known.Commits[s.Known.Head.Commit]
	forecast := s.Known.Forecasts[commit.Commit]
	approvedBy := ""
	if !forecast.Allowed {
		approvedBy = approver(s.Fleet)
		d.tell(false, v1alpha1.ReasonApproved, fmt.Sprintf("%s approved %s: %s", approvedBy, Short(commit.Revision), forecast.Message))
	}
	if before := d.status.Applying; before != nil && len(d.status.History) > 0 && d.status.History[0].Revision != before.Revision {
		d.record(v1alpha1.FleetRecord{Revision: before.Revision, ApprovedBy: before.ApprovedBy, Result: v1alpha1.FleetFailed})
	}
	d.supersede(commit.Revision)
	d.status.Applying = &v1alpha1.ApplyingRevision{Revision: commit.Revision, Commit: commit.Commit, Number: d.status.Applies + 1,
		ApprovedBy: approvedBy, Since: metav1.NewTime(s.Now)}
	d.status.LastAttemptedRevision, d.status.Pending, d.status.Failures = commit.Revision, nil, 0
	d.errors(nil)
	d.hold()
	message := Short(commit.Revision) + " is being applied"
	d.say(verdict{reason: v1alpha1.ReasonApplying, message: message, reconciling: true})
	return d
}

// approver is whoever let a commit pass.
func approver(fleet *v1alpha1.Fleet) string {
	if by := fleet.Annotations[v1alpha1.AnnotationApprovedBy]; by != "" {
		return bounded(by)
	}
	return "somebody"
}

func applying(s *Snapshot) *draft {
	d := newDraft(s, "Apply")
	applying := d.status.Applying
	d.status.LastAttemptedRevision = applying.Revision
	d.errors(nil)
	d.hold()
	d.say(verdict{reason: v1alpha1.ReasonApplying, message: Short(applying.Revision) + " is being applied", reconciling: true})
	return d
}

// finishApply: the whole commit is in. It is said in one write.
func finishApply(s *Snapshot) *draft {
	d := newDraft(s, "FinishApply")
	sent, was := s.Known.Sent, d.status.Applying
	commit := s.Known.Commits[was.Commit]
	d.status.Applies, d.status.Applying = was.Number, nil
	d.status.LastAppliedRevision = was.Revision
	now := metav1.NewTime(s.Now)
	d.status.LastAppliedAt = &now
	d.status.Inventory = &v1alpha1.FleetInventory{Digest: commit.Digest, Objects: int32Of(commit.Objects), Kinds: commit.Kinds}
	line := lineOf(s, commit, v1alpha1.FleetApplied, "")
	line.ApprovedBy = was.ApprovedBy
	line.Created, line.Changed, line.Pruned = int32Of(sent.Created), int32Of(sent.Changed), int32Of(sent.Pruned)
	d.record(line)
	d.tell(false, v1alpha1.ReasonApplied, fmt.Sprintf("%s is applied: %d created, %d changed, %d pruned", Short(was.Revision), sent.Created, sent.Changed, sent.Pruned))
	if s.Known.Head.Commit != was.Commit {
		return d // what the ref points at now is refused or held, and that stays said
	}
	d.status.LastAttemptedRevision, d.status.Pending, d.status.Failures = was.Revision, nil, 0
	d.errors(nil)
	d.settle()
	return d
}

// applied: the ref's commit is in, and the groups tell how far its machines are.
func applied(s *Snapshot) *draft {
	d := newDraft(s, "Settle")
	if s.Known.LookedFor.Generation != s.Fleet.Generation {
		d.step = "" // a new spec is looked at first
		return d
	}
	d.status.Failures, d.status.Pending = 0, nil
	if d.status.LastAttemptedRevision != d.status.LastAppliedRevision {
		// The ref went back to it from one that was refused or held.
		d.supersede(d.status.LastAppliedRevision)
		d.status.LastAttemptedRevision = d.status.LastAppliedRevision
	}
	d.errors(nil)
	d.settle()
	return d
}

// settle says what the groups make of the commit that is applied.
func (d *draft) settle() {
	var holds []v1alpha1.Hold
	if waiting := d.s.Known.Waiting; len(waiting) > 0 {
		holds = append(holds, v1alpha1.Hold{Source: "Server/" + waiting[0], Reason: v1alpha1.ReasonServerBusy,
			Message:    fmt.Sprintf("%s left the repository and stay until their Operations end: %s", counted(len(waiting), "Server"), some(waiting)),
			ClearsWhen: "their Operations end"})
	}
	d.hold(holds...)
	v := readiness(d.s, d.status)
	before := meta.IsStatusConditionTrue(d.s.Fleet.Status.Conditions, v1alpha1.ConditionReady)
	if v.ready && !before {
		d.tell(false, v1alpha1.ReasonUpToDate, v.message)
	}
	if v.stalled {
		d.tellChange(true, v.reason, v.message)
	}
	d.say(v)
}

func lineOf(s *Snapshot, commit *Commit, result v1alpha1.FleetResult, message string) v1alpha1.FleetRecord {
	line := v1alpha1.FleetRecord{Revision: commit.Revision, Author: commit.Author, SignedBy: commit.SignedBy, Subject: commit.Subject,
		Result: result, Message: message}
	if applying := s.Fleet.Status.Applying; applying != nil && applying.Commit == commit.Commit {
		line.ApprovedBy = applying.ApprovedBy
	}
	return line
}

func int32Of(n int) int32 {
	return int32(min(max(n, 0), 1<<31-1))
}
