package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Action is what an Operation does.
// +kubebuilder:validation:Enum=repave;reboot;powerOn;powerOff;inspect
type Action string

// The actions.
const (
	// ActionRepave wipes the machine and puts the profile's OS on it.
	ActionRepave   Action = "repave"
	ActionReboot   Action = "reboot"
	ActionPowerOn  Action = "powerOn"
	ActionPowerOff Action = "powerOff"
	// ActionInspect looks, and changes nothing.
	ActionInspect Action = "inspect"
)

// OperationPhase is where an Operation stands; what goes on inside a phase is told by conditions.
// +kubebuilder:validation:Enum=Pending;Running;Succeeded;Failed;Denied;Cancelled
type OperationPhase string

// The phases. The last four are terminal.
const (
	OperationPending   OperationPhase = "Pending"
	OperationRunning   OperationPhase = "Running"
	OperationSucceeded OperationPhase = "Succeeded"
	OperationFailed    OperationPhase = "Failed"
	OperationDenied    OperationPhase = "Denied"
	OperationCancelled OperationPhase = "Cancelled"
)

// Terminal tells whether the phase is an end.
func (p OperationPhase) Terminal() bool {
	return p == OperationSucceeded || p == OperationFailed || p == OperationDenied || p == OperationCancelled
}

// Expected is what an Operation was made for. Where it is otherwise in the moment of the claim, the
// Operation ends Cancelled and nothing is done to the machine: whoever made it decides anew.
type Expected struct {
	// ProfileHash over what the repave is to put on the machine. A profile that was edited since is
	// never used for an Operation that was made before.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	ProfileHash string `json:"profileHash,omitempty"`

	// LastOperation is the UID of the Operation that ended last on the machine, empty for none.
	// Whatever was done to the machine since makes this Operation void.
	// +kubebuilder:validation:MaxLength=64
	// +optional
	LastOperation string `json:"lastOperation,omitempty"`
}

// OperationSpec is one run of one action on one machine. It is immutable but for cancel, priority
// and ttlSecondsAfterFinished.
// +kubebuilder:validation:XValidation:rule="self.operation != 'repave' || has(self.provisioningProfileRef)",message="a repave needs spec.provisioningProfileRef"
// +kubebuilder:validation:XValidation:rule="self.operation == 'repave' || !has(self.provisioningProfileRef)",message="only a repave takes spec.provisioningProfileRef"
// +kubebuilder:validation:XValidation:rule="self.operation == 'repave' || !has(self.onlyIfNeeded) || !self.onlyIfNeeded",message="only a repave takes spec.onlyIfNeeded"
// +kubebuilder:validation:XValidation:rule="has(self.provisioningProfileRef) == has(oldSelf.provisioningProfileRef)",message="spec.provisioningProfileRef is immutable: make a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.timeout) == has(oldSelf.timeout)",message="spec.timeout is immutable: make a new Operation"
// +kubebuilder:validation:XValidation:rule="(has(self.retries) ? self.retries : 0) == (has(oldSelf.retries) ? oldSelf.retries : 0)",message="spec.retries is immutable: make a new Operation"
// +kubebuilder:validation:XValidation:rule="(has(self.onlyIfNeeded) && self.onlyIfNeeded) == (has(oldSelf.onlyIfNeeded) && oldSelf.onlyIfNeeded)",message="spec.onlyIfNeeded is immutable: make a new Operation"
// +kubebuilder:validation:XValidation:rule="(has(self.cancel) && self.cancel) || !has(oldSelf.cancel) || !oldSelf.cancel",message="spec.cancel cannot be taken back: make a new Operation"
// +kubebuilder:validation:XValidation:rule="has(self.expected) == has(oldSelf.expected)",message="spec.expected is immutable: make a new Operation"
// +kubebuilder:validation:XValidation:rule="self.operation == 'repave' || !has(self.expected)",message="only a repave takes spec.expected"
type OperationSpec struct {
	// ServerRef names the machine.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="immutable: make a new Operation"
	// +required
	ServerRef ServerReference `json:"serverRef"`

	// ProvisioningProfileRef names what a repave puts on the machine.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="immutable: make a new Operation"
	// +optional
	ProvisioningProfileRef *LocalReference `json:"provisioningProfileRef,omitempty"`

	// Operation is the action.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="immutable: make a new Operation"
	// +required
	Operation Action `json:"operation"`

	// Priority among Operations that wait for the same slot: higher goes first, then the older.
	// +kubebuilder:validation:Minimum=-1000
	// +kubebuilder:validation:Maximum=1000
	// +optional
	Priority int32 `json:"priority,omitempty"`

	// Timeout of one attempt, counted from its dispatch, for example "45m". A job that takes longer
	// is cancelled. Default: 2h for a repave, 15m for the other actions.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,7}(\.[0-9]{1,9})?(ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('168h')",message="must be a duration from 1s to 168h, for example \"45m\""
	// +kubebuilder:validation:XValidation:rule="duration(self) == duration(oldSelf)",message="immutable: make a new Operation"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// Retries after a job that failed. Each is a job of its own, so a repave that is retried wipes
	// again. Replies that were lost are no failures and need no retry.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10
	// +optional
	Retries int32 `json:"retries,omitempty"`

	// OnlyIfNeeded: a machine that already has this profile's content is recorded, not wiped.
	// +optional
	OnlyIfNeeded bool `json:"onlyIfNeeded,omitempty"`

	// Expected is what the Operation was made for, as a rollout says; nil for an Operation that is meant
	// whatever the machine runs.
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="immutable: make a new Operation"
	// +optional
	Expected *Expected `json:"expected,omitempty"`

	// TTLSecondsAfterFinished deletes the Operation so long after its end. Unset keeps it.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=31536000
	// +optional
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`

	// Cancel ends the Operation: at once if nothing was dispatched, else by cancelling the job, or,
	// where the site cannot, by seeing it out. It cannot be taken back.
	// +optional
	Cancel bool `json:"cancel,omitempty"`
}

// AttemptOutcome is how an attempt ended.
// +kubebuilder:validation:Enum=Succeeded;Failed;Cancelled;Rejected;TimedOut;Withdrawn;Abandoned
type AttemptOutcome string

// The outcomes of an attempt.
const (
	AttemptSucceeded AttemptOutcome = "Succeeded"
	AttemptFailed    AttemptOutcome = "Failed"
	AttemptCancelled AttemptOutcome = "Cancelled"
	// AttemptRejected: the site refused the request; the machine was not touched.
	AttemptRejected AttemptOutcome = "Rejected"
	// AttemptTimedOut: it was cancelled because it took too long.
	AttemptTimedOut AttemptOutcome = "TimedOut"
	// AttemptWithdrawn: it never became a job.
	AttemptWithdrawn AttemptOutcome = "Withdrawn"
	// AttemptAbandoned: the site never said how it ended; the machine is quarantined.
	AttemptAbandoned AttemptOutcome = "Abandoned"
)

// Attempt is one dispatch to the datacenter. It is written before the datacenter is called.
type Attempt struct {
	// Number, from 1.
	// +required
	Number int32 `json:"number"`
	// RequestID is the idempotency key that the datacenter gets: "<uid>-<number>".
	// +required
	RequestID string `json:"requestID"`
	// JobID that the datacenter gave.
	// +optional
	JobID string `json:"jobID,omitempty"`
	// By which controller process the intent was written or taken over. Only that process can know
	// that its request never left.
	// +optional
	By string `json:"by,omitempty"`
	// Epoch of the leader that wrote the intent, or took it over: one more than how often the Lease had
	// changed hands. An intent of another epoch than the Lease's is refused by the API server. Zero where
	// no leader is elected, or nothing would refuse it.
	// +kubebuilder:validation:Minimum=0
	// +optional
	Epoch int64 `json:"epoch,omitempty"`
	// StartedAt is when the intent was written.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +optional
	StartedAt metav1.MicroTime `json:"startedAt,omitzero"`
	// DispatchedAt is when the datacenter's answer with the job was first known. The time-out counts
	// from here.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +optional
	DispatchedAt *metav1.MicroTime `json:"dispatchedAt,omitempty"`
	// EndedAt is when the end was learned.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +optional
	EndedAt *metav1.MicroTime `json:"endedAt,omitempty"`
	// Outcome; empty while it runs.
	// +optional
	Outcome AttemptOutcome `json:"outcome,omitempty"`
	// Error says why it did not succeed.
	// +optional
	Error string `json:"error,omitempty"`
	// StopReason: why the job was asked to end before its time (Cancelled, Deleted, TimedOut).
	// +optional
	StopReason string `json:"stopReason,omitempty"`
	// StopRequestedAt is when it was first decided to end the job.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +optional
	StopRequestedAt *metav1.MicroTime `json:"stopRequestedAt,omitempty"`
	// StopAccepted: the site took the request to end the job, or cannot end jobs at all.
	// +optional
	StopAccepted bool `json:"stopAccepted,omitempty"`
	// Untouched: it ended without having changed the machine.
	// +optional
	Untouched bool `json:"untouched,omitempty"`
}

// Hold says why an Operation waits. The same list feeds kubectl, explain, plan, the page, metrics
// and events.
type Hold struct {
	// Source as Kind/name, for example "Server/server-001" or "Policy/per-rack".
	// +required
	Source string `json:"source"`
	// Rule that holds it: a policy's rule, a wave, a hook's line, or one of the ledger's own.
	// +optional
	Rule string `json:"rule,omitempty"`
	// Reason as a CamelCase word.
	// +required
	Reason string `json:"reason"`
	// Message for a person.
	// +required
	Message string `json:"message"`
	// Observed value.
	// +optional
	Observed string `json:"observed,omitempty"`
	// Limit that it met.
	// +optional
	Limit string `json:"limit,omitempty"`
	// Since when it holds.
	// +optional
	Since metav1.Time `json:"since,omitzero"`
	// Until when, only where a clock decides.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
	// ClearsWhen says what ends it.
	// +optional
	ClearsWhen string `json:"clearsWhen,omitempty"`
}

// HookResult is how far a hook of an Operation has come.
// +kubebuilder:validation:Enum=Running;Waiting;Done;Failed;Ignored
type HookResult string

// The results; empty for a hook whose turn has not come. The last three are its end: a hook that has
// one is never run again.
const (
	HookRunning HookResult = "Running"
	// HookWaiting: it is run again at nextRunAt.
	HookWaiting HookResult = "Waiting"
	HookDone    HookResult = "Done"
	// HookFailed ends the Operation Failed.
	HookFailed HookResult = "Failed"
	// HookIgnored: it failed and its onError says Ignore, or it was left out; the message says which.
	HookIgnored HookResult = "Ignored"
)

// HookRun is the record of one hook of this Operation.
type HookRun struct {
	// Name of the Hook.
	// +required
	Name string `json:"name"`
	// When it runs.
	// +optional
	When HookWhen `json:"when,omitempty"`
	// Result; empty while its turn has not come.
	// +optional
	Result HookResult `json:"result,omitempty"`
	// Reason of a failure as a CamelCase word.
	// +optional
	Reason string `json:"reason,omitempty"`
	// Message that it gave.
	// +optional
	Message string `json:"message,omitempty"`
	// State that it keeps across waits, as JSON; dropped with its end.
	// +kubebuilder:validation:MaxLength=16384
	// +optional
	State string `json:"state,omitempty"`
	// Hash of the script that runs.
	// +optional
	Hash string `json:"hash,omitempty"`
	// Runs whose result is known.
	// +optional
	Runs int32 `json:"runs,omitempty"`
	// Errors are the runs among them that came to no result.
	// +optional
	Errors int32 `json:"errors,omitempty"`
	// Actions that the runs carried out, the latest last: Kubernetes verbs and requests, each with what
	// came of it.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +optional
	Actions []string `json:"actions,omitempty"`
	// By which controller process it is run. Another takes it over only when a run of that one must have
	// ended.
	// +optional
	By string `json:"by,omitempty"`
	// StartedAt is when its turn came. Its timeout counts from here.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +optional
	StartedAt *metav1.MicroTime `json:"startedAt,omitempty"`
	// NextRunAt is when it is run again, or when the run that is under way was due.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +optional
	NextRunAt *metav1.MicroTime `json:"nextRunAt,omitempty"`
	// FinishedAt its end.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
}

// Finished tells whether the hook has its end.
func (r *HookRun) Finished() bool {
	return r.Result == HookDone || r.Result == HookFailed || r.Result == HookIgnored
}

// JobEnd is how the datacenter's job ended. It is written down before the hooks that run after it, so
// that what happened to the machine is known whatever becomes of them.
type JobEnd struct {
	// Phase that the Operation ends with, unless a hook fails.
	// +required
	Phase OperationPhase `json:"phase"`
	// Reason as a CamelCase word.
	// +required
	Reason string `json:"reason"`
	// Message for a person.
	// +optional
	Message string `json:"message,omitempty"`
	// Machine is what the end means for the machine: Done, Untouched, Interrupted, Quarantined, or
	// QuarantinedJobMayRun where the site did not say that the job ended.
	// +kubebuilder:validation:Enum=Done;Untouched;Interrupted;Quarantined;QuarantinedJobMayRun
	// +required
	Machine string `json:"machine"`
	// Power of the machine, "on" or "off", where the site told.
	// +optional
	Power string `json:"power,omitempty"`
	// Hardware that an inspection found.
	// +kubebuilder:validation:MaxProperties=32
	// +optional
	Hardware map[string]string `json:"hardware,omitempty"`
	// At is when the end was learned.
	// +required
	At metav1.Time `json:"at"`
}

// DecidedOn records what an Operation was decided on, so that an edit in mid-flight cannot change
// what is being done.
type DecidedOn struct {
	// ServerUID of the machine that is meant.
	// +optional
	ServerUID string `json:"serverUID,omitempty"`
	// IdentityHash over the machine's MAC, boot MAC, address and BMC.
	// +optional
	IdentityHash string `json:"identityHash,omitempty"`
	// Datacenter that reaches it; empty for the one given by --dc-url.
	// +optional
	Datacenter string `json:"datacenter,omitempty"`
	// EndpointHash of where that datacenter was reached.
	// +optional
	EndpointHash string `json:"endpointHash,omitempty"`
	// ProfileHash of what a repave puts on the machine.
	// +optional
	ProfileHash string `json:"profileHash,omitempty"`
	// OSVersion of that profile.
	// +optional
	OSVersion string `json:"osVersion,omitempty"`
	// PolicyHash over the policies that let it pass.
	// +optional
	PolicyHash string `json:"policyHash,omitempty"`
	// Commit that asked for it.
	// +optional
	Commit string `json:"commit,omitempty"`
	// Author of that commit.
	// +optional
	Author string `json:"author,omitempty"`
	// SignedBy is the key that signed it.
	// +optional
	SignedBy string `json:"signedBy,omitempty"`
	// Requester who created the Operation.
	// +optional
	Requester string `json:"requester,omitempty"`
}

// OperationStatus is what happened.
type OperationStatus struct {
	// ObservedGeneration of the spec that the conditions speak of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Phase of the Operation.
	// +optional
	Phase OperationPhase `json:"phase,omitempty"`

	// Message says where it stands, for a person.
	// +optional
	Message string `json:"message,omitempty"`

	// Progress of the job in percent.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	Progress int32 `json:"progress,omitempty"`

	// Stage of the job as the datacenter names it.
	// +optional
	Stage string `json:"stage,omitempty"`

	// DCJobID is the datacenter's name for the latest job.
	// +optional
	DCJobID string `json:"dcJobID,omitempty"`

	// StartTime of the first attempt.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// CompletionTime is when the Operation ended.
	// +optional
	CompletionTime *metav1.Time `json:"completionTime,omitempty"`

	// ProgressTime is when progress was last written.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{6}(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +optional
	ProgressTime *metav1.MicroTime `json:"progressTime,omitempty"`

	// Attempts, the latest last.
	// +listType=map
	// +listMapKey=number
	// +kubebuilder:validation:MaxItems=64
	// +optional
	Attempts []Attempt `json:"attempts,omitempty"`

	// Holds that keep it Pending.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Holds []Hold `json:"holds,omitempty"`

	// Hooks that ran or run.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +optional
	Hooks []HookRun `json:"hooks,omitempty"`

	// JobEnd is how the job ended, where hooks run after it.
	// +optional
	JobEnd *JobEnd `json:"jobEnd,omitempty"`

	// DecidedOn is what it was decided on.
	// +optional
	DecidedOn *DecidedOn `json:"decidedOn,omitempty"`

	// Conditions: Ready, Reconciling, Stalled, Admitted, PreHooksDone, Dispatched, Completed, Held,
	// Failed.
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// LastAttempt is the latest attempt, nil when there is none. The result points into the status.
func (s *OperationStatus) LastAttempt() *Attempt {
	if len(s.Attempts) == 0 {
		return nil
	}
	return &s.Attempts[len(s.Attempts)-1]
}

// Operation is one run of one action on one machine.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=op,categories=stargate
// +kubebuilder:printcolumn:name="Server",type=string,JSONPath=`.spec.serverRef.name`
// +kubebuilder:printcolumn:name="Operation",type=string,JSONPath=`.spec.operation`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Datacenter",type=string,priority=1,JSONPath=`.status.decidedOn.datacenter`
// +kubebuilder:printcolumn:name="Progress",type=integer,priority=1,JSONPath=`.status.progress`
// +kubebuilder:printcolumn:name="Held-By",type=string,priority=1,JSONPath=`.status.holds[0].source`
// +kubebuilder:printcolumn:name="Until",type=string,priority=1,JSONPath=`.status.holds[0].until`
// +kubebuilder:printcolumn:name="Commit",type=string,priority=1,JSONPath=`.status.decidedOn.commit`
// +kubebuilder:printcolumn:name="Job",type=string,priority=1,JSONPath=`.status.dcJobID`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.message`
type Operation struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is asked for.
	// +required
	Spec OperationSpec `json:"spec"`
	// Status is what happened. An Operation that nobody has looked at yet is Pending.
	// +kubebuilder:default={"phase":"Pending"}
	// +optional
	Status OperationStatus `json:"status,omitzero"`
}

// OperationList is a list of Operations.
// +kubebuilder:object:root=true
type OperationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Operation `json:"items"`
}
