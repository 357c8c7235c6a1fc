package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

const (
	// LabelFleet on an object names the Fleet that it comes from.
	LabelFleet = "stargate.io/fleet"
	// LabelGroup on an Operation names the ServerGroup whose rollout made it.
	LabelGroup = "stargate.io/group"

	// AnnotationCommit on an object holds the commit that it was last applied from.
	AnnotationCommit = "stargate.io/commit"
	// AnnotationAuthor holds the author of that commit.
	AnnotationAuthor = "stargate.io/author"
	// AnnotationSignedBy holds the key that signed it.
	AnnotationSignedBy = "stargate.io/signed-by"

	// AnnotationSource on an object says where in the repository it stands, as "path/file.yaml:12".
	AnnotationSource = "stargate.io/source"
	// AnnotationApply on an object holds the number of the apply that last wrote it. What is of an apply
	// that is not whole yet starts no repave.
	AnnotationApply = "stargate.io/apply"
	// AnnotationReleased on a ServerGroup holds what a commit let happen to the group's servers, as
	// "<apply> <inputs> <members> <repaves>": see rollout.Release.
	AnnotationReleased = "stargate.io/released"

	// AnnotationRequestedAt on a Fleet asks for a look at the repository at once.
	AnnotationRequestedAt = "stargate.io/requestedAt"
	// AnnotationApprove holds what somebody approved: on a Fleet the commit; on a ServerGroup
	// "<revision>/<wave>" for a wave, or "<revision>" for what the guard holds; on an Operation its UID.
	AnnotationApprove = "stargate.io/approve"
	// AnnotationApproveReason says why.
	AnnotationApproveReason = "stargate.io/approve-reason"
	// AnnotationApprovedBy says who, stamped at admission. On an Operation several may approve, one a line.
	AnnotationApprovedBy = "stargate.io/approved-by"
	// AnnotationResume on a ServerGroup holds "<revision>/<failures>": the failures so far are forgiven,
	// and what was left for another reason is tried again.
	AnnotationResume = "stargate.io/resume"
	// AnnotationResumeReason says why.
	AnnotationResumeReason = "stargate.io/resume-reason"
	// AnnotationReason on what a person steered says why.
	AnnotationReason = "stargate.io/reason"
)

// FleetStatus says how far the cluster is what the repository says.
type FleetStatus struct {
	// ObservedGeneration of the spec that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// LastHandledRequestedAt is the value of the annotation stargate.io/requestedAt that was last acted
	// on.
	// +optional
	LastHandledRequestedAt string `json:"lastHandledRequestedAt,omitempty"`

	// LastAttemptedRevision that was read, whatever became of it, for example "main@sha1:9f1c2ab…".
	// +optional
	LastAttemptedRevision string `json:"lastAttemptedRevision,omitempty"`

	// LastAppliedRevision is the last one that was applied whole.
	// +optional
	LastAppliedRevision string `json:"lastAppliedRevision,omitempty"`

	// LastAppliedAt is when that was.
	// +optional
	LastAppliedAt *metav1.Time `json:"lastAppliedAt,omitempty"`

	// Applying is the revision whose objects are being written. While it is set the fleet's rollouts start
	// nothing, so that no machine is touched on account of half a commit.
	// +optional
	Applying *ApplyingRevision `json:"applying,omitempty"`

	// Applies counts the revisions that were applied whole. The number of one that is being applied is one
	// more.
	// +optional
	Applies int64 `json:"applies,omitempty"`

	// Failures in a row of looking at the repository or of applying it.
	// +optional
	Failures int32 `json:"failures,omitempty"`

	// Inventory of what was applied. Which objects belong to it is told by their label
	// stargate.io/fleet, so that its size does not grow with the fleet's.
	// +optional
	Inventory *FleetInventory `json:"inventory,omitempty"`

	// Pending is a revision that the guard holds until somebody approves it.
	// +optional
	Pending *PendingRevision `json:"pending,omitempty"`

	// Errors of the revision that was last read, with file and line. While there are any, the last
	// good one stays applied.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +optional
	Errors []SourceError `json:"errors,omitempty"`

	// Holds that keep the fleet from going on.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Holds []Hold `json:"holds,omitempty"`

	// History of revisions, the latest first.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	// +optional
	History []FleetRecord `json:"history,omitempty"`

	// Conditions: Ready, Reconciling, Stalled.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// FleetInventory sums up what was applied.
type FleetInventory struct {
	// Digest over the identities and contents of all objects.
	// +optional
	Digest string `json:"digest,omitempty"`
	// Objects in all.
	// +optional
	Objects int32 `json:"objects,omitempty"`
	// Kinds and how many objects there are of each.
	// +listType=map
	// +listMapKey=kind
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Kinds []KindCount `json:"kinds,omitempty"`
}

// KindCount is how many objects there are of a kind.
type KindCount struct {
	// Kind by name.
	// +required
	Kind string `json:"kind"`
	// Count of its objects.
	// +required
	Count int32 `json:"count"`
}

// ApplyingRevision is a revision on its way into the cluster.
type ApplyingRevision struct {
	// Revision that is applied.
	// +required
	Revision string `json:"revision"`
	// Commit of it.
	// +required
	Commit string `json:"commit"`
	// Number of the apply: that of the last one that was whole, and one.
	// +required
	Number int64 `json:"number"`
	// ApprovedBy tells who let it pass the guard, where somebody had to.
	// +optional
	ApprovedBy string `json:"approvedBy,omitempty"`
	// Since when.
	// +optional
	Since metav1.Time `json:"since,omitzero"`
}

// PendingRevision waits for an approval.
type PendingRevision struct {
	// Revision that waits.
	// +required
	Revision string `json:"revision"`
	// Commit that an approval must name.
	// +required
	Commit string `json:"commit"`
	// Repaves that would follow.
	// +optional
	Repaves int32 `json:"repaves,omitempty"`
	// Deletes that would follow.
	// +optional
	Deletes int32 `json:"deletes,omitempty"`
	// Message says what is more than was allowed.
	// +optional
	Message string `json:"message,omitempty"`
	// Since when it waits.
	// +optional
	Since metav1.Time `json:"since,omitzero"`
}

// FleetResult is what became of a revision.
// +kubebuilder:validation:Enum=Applied;Refused;Failed;Pending;Superseded
type FleetResult string

// The results of a revision.
const (
	FleetApplied FleetResult = "Applied"
	// FleetRefused: something in it is wrong, and nothing was changed.
	FleetRefused FleetResult = "Refused"
	// FleetFailed: it could not be applied whole, and is tried again.
	FleetFailed FleetResult = "Failed"
	// FleetPending: the guard holds it.
	FleetPending FleetResult = "Pending"
	// FleetSuperseded: a newer one came before it was applied.
	FleetSuperseded FleetResult = "Superseded"
)

// FleetRecord is one line of a fleet's history.
type FleetRecord struct {
	// Revision that was read.
	// +required
	Revision string `json:"revision"`
	// Author of the commit.
	// +optional
	Author string `json:"author,omitempty"`
	// SignedBy is the key that signed it.
	// +optional
	SignedBy string `json:"signedBy,omitempty"`
	// ApprovedBy tells who let it pass the guard.
	// +optional
	ApprovedBy string `json:"approvedBy,omitempty"`
	// Subject of the commit.
	// +optional
	Subject string `json:"subject,omitempty"`
	// Result of it.
	// +optional
	Result FleetResult `json:"result,omitempty"`
	// At which time.
	// +optional
	At metav1.Time `json:"at,omitzero"`
	// Created objects.
	// +optional
	Created int32 `json:"created,omitempty"`
	// Changed objects.
	// +optional
	Changed int32 `json:"changed,omitempty"`
	// Pruned objects.
	// +optional
	Pruned int32 `json:"pruned,omitempty"`
	// Message for a person.
	// +optional
	Message string `json:"message,omitempty"`
}
