package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ServerGroupStatus says how far a group is what its spec asks for.
type ServerGroupStatus struct {
	// ObservedGeneration of the spec that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Revision that rolls out, or has.
	// +optional
	Revision GroupRevision `json:"revision,omitzero"`

	// Servers that the group selects.
	// +optional
	Servers int32 `json:"servers,omitempty"`
	// Updated servers: they have the revision's profile.
	// +optional
	Updated int32 `json:"updated,omitempty"`
	// Ready servers, whatever they run.
	// +optional
	Ready int32 `json:"ready,omitempty"`
	// Unavailable servers, whatever made them so.
	// +optional
	Unavailable int32 `json:"unavailable,omitempty"`
	// Active servers: an Operation of this rollout has them.
	// +optional
	Active int32 `json:"active,omitempty"`
	// Failed servers of this revision that are left as they are.
	// +optional
	Failed int32 `json:"failed,omitempty"`
	// Drifted servers: they had the revision's profile and no longer do.
	// +optional
	Drifted int32 `json:"drifted,omitempty"`
	// Skipped servers: paused, in maintenance, quarantined or selected by another group too.
	// +optional
	Skipped int32 `json:"skipped,omitempty"`

	// InFlight are the servers that the rollout has taken. A server is written here before its Operation
	// is made, and stays until the outcome is on the Server, so that neither a crash nor a change of
	// leader ever takes one too many.
	// +listType=map
	// +listMapKey=server
	// +kubebuilder:validation:MaxItems=1000
	// +optional
	InFlight []InFlightServer `json:"inFlight,omitempty"`

	// Left are the servers that the revision leaves as they are: they failed, or their Operation was
	// denied or cancelled. The oldest go first where there are more than 1000.
	// +listType=map
	// +listMapKey=server
	// +kubebuilder:validation:MaxItems=1000
	// +optional
	Left []LeftServer `json:"left,omitempty"`

	// Wave that is under way, by name; empty when none is.
	// +optional
	Wave string `json:"wave,omitempty"`

	// Waves of the revision, in order.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=33
	// +optional
	Waves []WaveStatus `json:"waves,omitempty"`

	// Holds that keep the rollout from going on.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Holds []Hold `json:"holds,omitempty"`

	// History of revisions, the latest first.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	// +optional
	History []RolloutRecord `json:"history,omitempty"`

	// Conditions: Ready, Reconciling, Stalled.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// GroupRevision is one state of profile and group that servers should be brought to.
type GroupRevision struct {
	// Name of the revision: its number and the beginning of the profile's hash, for example "7-3fa9c1b2".
	// +optional
	Name string `json:"name,omitempty"`
	// Number of the revision among those of the group, from 1. To go back to an earlier content is a
	// revision of its own.
	// +optional
	Number int64 `json:"number,omitempty"`
	// Profile by name.
	// +optional
	Profile string `json:"profile,omitempty"`
	// ProfileHash over what reaches a machine.
	// +optional
	ProfileHash string `json:"profileHash,omitempty"`
	// OSVersion of that profile.
	// +optional
	OSVersion string `json:"osVersion,omitempty"`
	// Commit that brought it, where a fleet did.
	// +optional
	Commit string `json:"commit,omitempty"`
	// Author of that commit.
	// +optional
	Author string `json:"author,omitempty"`
	// SignedBy is the key that signed it.
	// +optional
	SignedBy string `json:"signedBy,omitempty"`
	// StartedAt is when it was first seen.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// CompletedAt is when every server had it that can have it. A server that differs later drifted or
	// is new.
	// +optional
	CompletedAt *metav1.Time `json:"completedAt,omitempty"`

	// Made counts the Operations made for it.
	// +optional
	Made int32 `json:"made,omitempty"`
	// Released is how many may be made before the guard is asked again: those that a commit or somebody
	// let pass. What the guard allows without asking comes on top.
	// +optional
	Released int32 `json:"released,omitempty"`
	// Apply is the number of the fleet's apply that last released Operations of it.
	// +optional
	Apply int64 `json:"apply,omitempty"`
	// ApprovedBy tells who let it pass the guard, where somebody had to.
	// +optional
	ApprovedBy string `json:"approvedBy,omitempty"`
	// ApprovedAt tells when.
	// +optional
	ApprovedAt *metav1.Time `json:"approvedAt,omitempty"`

	// Failures of its Operations.
	// +optional
	Failures int32 `json:"failures,omitempty"`
	// Forgiven failures: somebody resumed the rollout after them.
	// +optional
	Forgiven int32 `json:"forgiven,omitempty"`
}

// InFlightServer is a server that a rollout has taken.
type InFlightServer struct {
	// Server by name.
	// +required
	Server string `json:"server"`
	// UID of the Server.
	// +required
	UID string `json:"uid"`
	// Operation by name.
	// +required
	Operation string `json:"operation"`
	// Revision that it is for, by number.
	// +required
	Revision int64 `json:"revision"`
	// ProfileHash that the Operation is to put on it.
	// +required
	ProfileHash string `json:"profileHash"`
	// LastOperation that had ended on the server when it was taken, by UID; empty for none.
	// +optional
	LastOperation string `json:"lastOperation,omitempty"`
	// Made: the Operation was seen. What was seen and is gone is not made again.
	// +optional
	Made bool `json:"made,omitempty"`
	// Since when.
	// +optional
	Since metav1.Time `json:"since,omitzero"`
}

// LeftReason is why a rollout leaves a server as it is.
// +kubebuilder:validation:Enum=Failed;Denied;Cancelled
type LeftReason string

// The reasons to leave a server as it is.
const (
	LeftFailed    LeftReason = "Failed"
	LeftDenied    LeftReason = "Denied"
	LeftCancelled LeftReason = "Cancelled"
)

// LeftServer is a server that a revision leaves as it is.
type LeftServer struct {
	// Server by name.
	// +required
	Server string `json:"server"`
	// UID of the Server.
	// +optional
	UID string `json:"uid,omitempty"`
	// Reason why.
	// +required
	Reason LeftReason `json:"reason"`
	// Operation that ended so, by name.
	// +optional
	Operation string `json:"operation,omitempty"`
	// LastOperation that had ended on the server when it was left, by UID. Once another one has, or a
	// failed server was released from its quarantine, it is no longer left.
	// +optional
	LastOperation string `json:"lastOperation,omitempty"`
	// Message of the Operation.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Message string `json:"message,omitempty"`
	// At which time.
	// +optional
	At metav1.Time `json:"at,omitzero"`
}

// WaveState is where a wave stands.
// +kubebuilder:validation:Enum=Waiting;AwaitingApproval;Running;Soaking;Done;Stopped
type WaveState string

// The states of a wave.
const (
	WaveWaiting          WaveState = "Waiting"
	WaveAwaitingApproval WaveState = "AwaitingApproval"
	WaveRunning          WaveState = "Running"
	// WaveSoaking: all its servers are ready, and the soak has not passed yet.
	WaveSoaking WaveState = "Soaking"
	WaveDone    WaveState = "Done"
	// WaveStopped: too many servers failed, or a newer revision took over.
	WaveStopped WaveState = "Stopped"
)

// WaveStatus is how far a wave is.
type WaveStatus struct {
	// Name of the wave; the last one, of servers that no wave took, is called "rest".
	// +required
	Name string `json:"name"`
	// State of the wave.
	// +optional
	State WaveState `json:"state,omitempty"`
	// Servers of the wave.
	// +optional
	Servers int32 `json:"servers,omitempty"`
	// Updated servers: they have the revision's profile.
	// +optional
	Updated int32 `json:"updated,omitempty"`
	// Active servers: an Operation of this rollout has them.
	// +optional
	Active int32 `json:"active,omitempty"`
	// Failed servers that are left as they are.
	// +optional
	Failed int32 `json:"failed,omitempty"`
	// Skipped servers: they are held, or left for another reason than a failure.
	// +optional
	Skipped int32 `json:"skipped,omitempty"`
	// StartedAt is when its first Operation was made.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// UpdatedAt is when its last server was ready; the soak counts from here.
	// +optional
	UpdatedAt *metav1.Time `json:"updatedAt,omitempty"`
	// SoakedUntil is when the soak ends.
	// +optional
	SoakedUntil *metav1.Time `json:"soakedUntil,omitempty"`
	// ApprovedBy tells who let the wave begin.
	// +optional
	ApprovedBy string `json:"approvedBy,omitempty"`
	// ApprovedAt tells when.
	// +optional
	ApprovedAt *metav1.Time `json:"approvedAt,omitempty"`
}

// RolloutResult is how the rollout of a revision ended.
// +kubebuilder:validation:Enum=Running;Succeeded;Failed;Superseded
type RolloutResult string

// The results of a rollout.
const (
	RolloutRunning   RolloutResult = "Running"
	RolloutSucceeded RolloutResult = "Succeeded"
	RolloutFailed    RolloutResult = "Failed"
	// RolloutSuperseded: a newer revision took over before it was through.
	RolloutSuperseded RolloutResult = "Superseded"
)

// RolloutRecord is one line of a group's history.
type RolloutRecord struct {
	// Revision that rolled out.
	// +required
	Revision GroupRevision `json:"revision"`
	// Result of it.
	// +optional
	Result RolloutResult `json:"result,omitempty"`
	// StartedAt is when it began.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
	// FinishedAt is when it ended.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Updated servers in the end.
	// +optional
	Updated int32 `json:"updated,omitempty"`
	// Failed servers in the end.
	// +optional
	Failed int32 `json:"failed,omitempty"`
	// Message for a person.
	// +optional
	Message string `json:"message,omitempty"`
}
