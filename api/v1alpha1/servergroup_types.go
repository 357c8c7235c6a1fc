package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// FailureAction says what a rollout does once too many servers failed.
// +kubebuilder:validation:Enum=Pause;Continue
type FailureAction string

const (
	// FailurePause starts nothing more until somebody resumes the rollout or a new revision comes.
	FailurePause FailureAction = "Pause"
	// FailureContinue leaves the failed servers behind and goes on.
	FailureContinue FailureAction = "Continue"
)

// DriftAction says what is done to a server that differs within a revision.
// +kubebuilder:validation:Enum=Report;Repave
type DriftAction string

const (
	// DriftReport counts it in status and touches nothing.
	DriftReport DriftAction = "Report"
	// DriftRepave puts the profile back on it, within the rollout's budget.
	DriftRepave DriftAction = "Repave"
)

// RolloutOrder is the order in which servers of a wave are taken.
// +kubebuilder:validation:Enum=Name;OldestFirst;Shuffled
type RolloutOrder string

const (
	// OrderName takes servers by name.
	OrderName RolloutOrder = "Name"
	// OrderOldestFirst takes first what was provisioned longest ago.
	OrderOldestFirst RolloutOrder = "OldestFirst"
	// OrderShuffled takes them by a hash of name and revision, so that it is not always the same
	// servers that go first.
	OrderShuffled RolloutOrder = "Shuffled"
)

// WaveApproval says whether somebody must let a wave begin.
// +kubebuilder:validation:Enum=None;Required
type WaveApproval string

const (
	// ApprovalNone lets the wave begin when the one before it is done and soaked.
	ApprovalNone WaveApproval = "None"
	// ApprovalRequired holds the wave until somebody approves it (stargate approve).
	ApprovalRequired WaveApproval = "Required"
)

// ServerGroupSpec says which servers should have which profile, and how a change rolls out.
type ServerGroupSpec struct {
	// Selector of the servers, by their labels, in the group's own namespace. A server belongs to one
	// group: where two select it, neither touches it and both say so.
	// +kubebuilder:validation:XValidation:rule="has(self.matchLabels) || has(self.matchExpressions)",message="must select by at least one label: an empty selector would take every server of the datacenter"
	// +required
	Selector LabelSelector `json:"selector"`

	// ProvisioningProfileRef names the profile that the servers should have.
	// +required
	ProvisioningProfileRef LocalReference `json:"provisioningProfileRef"`

	// Rollout says how a new revision of the profile or the group reaches the servers.
	// +kubebuilder:default={}
	// +optional
	Rollout Rollout `json:"rollout,omitzero"`
}

// Rollout says how a new revision reaches the servers of a group.
// +kubebuilder:validation:XValidation:rule="!has(self.pausedUntil) || (has(self.paused) && self.paused)",message="pausedUntil needs paused: true"
type Rollout struct {
	// MaxUnavailable servers of the group at any time, whatever made them so: a number from 1, or a
	// percentage of the group such as "10%", which rounds down but never below one server.
	// +kubebuilder:default=1
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=4
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? (self >= 1 && self <= 100000) : self.matches('^([1-9][0-9]?|100)%$')",message="must be a number from 1 to 100000 or a percentage from \"1%\" to \"100%\"; to stop a rollout set paused"
	// +optional
	MaxUnavailable *intstr.IntOrString `json:"maxUnavailable,omitempty"`

	// Waves in which servers are taken, one after the other. A server goes with the first wave that
	// takes it; what no wave takes goes last.
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Waves []Wave `json:"waves,omitempty"`

	// MaxFailures is how many servers may fail before onFailure applies. With 0 the first one does.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	// +optional
	MaxFailures int32 `json:"maxFailures,omitempty"`

	// OnFailure says what happens once more than maxFailures servers failed. Default: Pause.
	// +kubebuilder:default=Pause
	// +optional
	OnFailure FailureAction `json:"onFailure,omitempty"`

	// SpreadBy is a label of servers, for example "rack" or "pdu": never are two servers with the same
	// value of it taken at a time.
	// +kubebuilder:validation:MaxLength=317
	// +kubebuilder:validation:XValidation:rule="!format.qualifiedName().validate(self).hasValue()",message="must be a label key: an optional DNS prefix and '/', then up to 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit"
	// +optional
	SpreadBy string `json:"spreadBy,omitempty"`

	// MaxUnavailablePerSpread servers with the same value of the label that spreadBy names.
	// Default: 1.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	// +optional
	MaxUnavailablePerSpread int32 `json:"maxUnavailablePerSpread,omitempty"`

	// Order in which the servers of a wave are taken. Default: Name.
	// +kubebuilder:default=Name
	// +optional
	Order RolloutOrder `json:"order,omitempty"`

	// OnDrift says what is done to a server that differs within a revision, for example because
	// somebody repaved it by hand. Default: Report.
	// +kubebuilder:default=Report
	// +optional
	OnDrift DriftAction `json:"onDrift,omitempty"`

	// Paused: the rollout starts nothing. What runs is seen out.
	// +optional
	Paused bool `json:"paused,omitempty"`

	// PausedUntil resumes the rollout at this time, without anybody's doing.
	// +optional
	PausedUntil *metav1.Time `json:"pausedUntil,omitempty"`

	// Reason why it is paused, for whoever asks why something waits.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	Reason string `json:"reason,omitempty"`

	// Operations says what the Operations that the rollout makes are like.
	// +optional
	Operations OperationTemplate `json:"operations,omitzero"`
}

// Wave is a part of a group that is done before the next one begins.
// +kubebuilder:validation:XValidation:rule="has(self.selector) != has(self.size)",message="exactly one of selector and size is needed"
type Wave struct {
	// Name of the wave, for example "canary".
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	// +required
	Name string `json:"name"`

	// Selector of the wave's servers among those of the group.
	// +kubebuilder:validation:XValidation:rule="has(self.matchLabels) || has(self.matchExpressions)",message="must select by at least one label; what no wave takes goes last without one"
	// +optional
	Selector *LabelSelector `json:"selector,omitempty"`

	// Size of the wave among the servers that earlier waves left: a number from 1, or a percentage of
	// the whole group such as "25%", which rounds down but never below one server.
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=4
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? (self >= 1 && self <= 100000) : self.matches('^([1-9][0-9]?|100)%$')",message="must be a number from 1 to 100000 or a percentage from \"1%\" to \"100%\""
	// +optional
	Size *intstr.IntOrString `json:"size,omitempty"`

	// Soak is how long the wave's servers must have been ready before the next wave begins, for
	// example "30m".
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,7}(\.[0-9]{1,9})?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('720h')",message="must be a duration from 0s to 720h, for example \"45m\""
	// +optional
	Soak *metav1.Duration `json:"soak,omitempty"`

	// Approval that the wave needs before it begins. Default: None.
	// +kubebuilder:default=None
	// +optional
	Approval WaveApproval `json:"approval,omitempty"`
}

// OperationTemplate says what the Operations that a rollout makes are like.
type OperationTemplate struct {
	// Priority among Operations that wait for the same slot: higher goes first, then the older.
	// +kubebuilder:validation:Minimum=-1000
	// +kubebuilder:validation:Maximum=1000
	// +optional
	Priority int32 `json:"priority,omitempty"`

	// Timeout of one attempt, counted from its dispatch, for example "45m". Default: 2h.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,7}(\.[0-9]{1,9})?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('168h')",message="must be a duration from 1s to 168h, for example \"45m\""
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// Retries after a job that failed. Each is a job of its own, so a repave that is retried wipes
	// again.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10
	// +optional
	Retries int32 `json:"retries,omitempty"`

	// TTLSecondsAfterFinished deletes an Operation so long after its end. Default: a week.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=31536000
	// +optional
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// ServerGroup is servers by label selector, the profile they should have, and how a change rolls
// out over them.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=sg,categories=stargate
// +kubebuilder:printcolumn:name="Profile",type=string,JSONPath=`.spec.provisioningProfileRef.name`
// +kubebuilder:printcolumn:name="Servers",type=integer,JSONPath=`.status.servers`
// +kubebuilder:printcolumn:name="Updated",type=integer,JSONPath=`.status.updated`
// +kubebuilder:printcolumn:name="Ready",type=integer,JSONPath=`.status.ready`
// +kubebuilder:printcolumn:name="Wave",type=string,JSONPath=`.status.wave`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Unavailable",type=integer,priority=1,JSONPath=`.status.unavailable`
// +kubebuilder:printcolumn:name="Failed",type=integer,priority=1,JSONPath=`.status.failed`
// +kubebuilder:printcolumn:name="Drifted",type=integer,priority=1,JSONPath=`.status.drifted`
// +kubebuilder:printcolumn:name="Held-By",type=string,priority=1,JSONPath=`.status.holds[0].source`
// +kubebuilder:printcolumn:name="Until",type=string,priority=1,JSONPath=`.status.holds[0].until`
// +kubebuilder:printcolumn:name="Commit",type=string,priority=1,JSONPath=`.status.revision.commit`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type ServerGroup struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says which servers should have what.
	// +required
	Spec ServerGroupSpec `json:"spec"`
	// Status says how far that is so.
	// +optional
	Status ServerGroupStatus `json:"status,omitzero"`
}

// ServerGroupList is a list of ServerGroups.
// +kubebuilder:object:root=true
type ServerGroupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ServerGroup `json:"items"`
}
