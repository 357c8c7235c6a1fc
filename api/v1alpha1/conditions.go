package v1alpha1

// Condition types. Ready, Reconciling and Stalled follow kstatus, so that Flux, Argo CD and
// kubectl wait compute the right readiness without a plug-in.
const (
	ConditionReady       = "Ready"
	ConditionReconciling = "Reconciling"
	ConditionStalled     = "Stalled"

	// Of an Operation.
	ConditionAdmitted     = "Admitted"
	ConditionPreHooksDone = "PreHooksDone"
	ConditionDispatched   = "Dispatched"
	ConditionCompleted    = "Completed"
	ConditionHeld         = "Held"
	ConditionFailed       = "Failed"

	// Of a Server and a Datacenter.
	ConditionReachable = "Reachable"
	ConditionHealthy   = "Healthy"

	// ConditionMachineHealthy of a Server is what looks after the machine itself says of it, as the
	// simulator does. Where it is False, the Server is not Healthy.
	ConditionMachineHealthy = "MachineHealthy"

	// ConditionExactlyOnce of a Datacenter is False where its site cannot promise that a request
	// whose reply was lost is done only once.
	ConditionExactlyOnce = "ExactlyOnce"
)

// Reasons of an Operation's conditions, holds and events.
const (
	ReasonAdmitted   = "Admitted"
	ReasonDispatched = "Dispatched"
	ReasonRunning    = "Running"
	ReasonSucceeded  = "Succeeded"
	ReasonUnchanged  = "Unchanged"
	ReasonFailed     = "Failed"
	ReasonCancelled  = "Cancelled"
	ReasonDeleted    = "Deleted"
	ReasonDenied     = "Denied"
	ReasonPending    = "Pending"
	ReasonRetrying   = "Retrying"
	ReasonCancelling = "Cancelling"

	// Holds: what an Operation waits for.
	ReasonServerNotFound      = "ServerNotFound"
	ReasonProfileNotFound     = "ProfileNotFound"
	ReasonProfileInvalid      = "ProfileInvalid"
	ReasonDatacenterNotFound  = "DatacenterNotFound"
	ReasonDatacenterAmbiguous = "DatacenterAmbiguous"
	ReasonDatacenterPaused    = "DatacenterPaused"
	ReasonDatacenterDeleted   = "DatacenterDeleted"
	ReasonDatacenterInvalid   = "DatacenterInvalid"
	ReasonServerPaused        = "ServerPaused"
	ReasonServerMaintenance   = "ServerMaintenance"
	ReasonServerBusy          = "ServerBusy"
	ReasonServerQuarantined   = "ServerQuarantined"
	ReasonServerDeleted       = "ServerDeleted"
	ReasonServerRecreated     = "ServerRecreated"
	ReasonIdentityConflict    = "IdentityConflict"
	ReasonLimitReached        = "LimitReached"
	ReasonUnreachable         = "Unreachable"
	ReasonSecretNotFound      = "SecretNotFound"
	ReasonSecretInvalid       = "SecretInvalid"
	ReasonBackOff             = "BackOff"

	// Conditions of a Policy.
	ReasonCompiled      = "Compiled"
	ReasonPolicyInvalid = "PolicyInvalid"

	// Events of policies that let an Operation pass.
	ReasonPolicyWarning = "PolicyWarning"
	ReasonDryRun        = "DryRun"

	// ReasonUnknown: the request may have landed, and the site cannot tell.
	ReasonUnknown = "Unknown"

	// Ends.
	ReasonRejected         = "Rejected"
	ReasonIdentityMismatch = "IdentityMismatch"
	ReasonTimedOut         = "TimedOut"
	ReasonJobFailed        = "JobFailed"
	ReasonJobLost          = "JobLost"
	ReasonJobAbandoned     = "JobAbandoned"
	ReasonInterrupted      = "Interrupted"
	ReasonProfileChanged   = "ProfileChanged"
	ReasonServerChanged    = "ServerChanged"
	ReasonResolved         = "Resolved"
)

// Reasons of what hooks do to an Operation.
const (
	// ReasonHookRunning: a run is under way.
	ReasonHookRunning = "HookRunning"
	// ReasonHookWaiting: it said to wait, and is run again.
	ReasonHookWaiting = "HookWaiting"
	// ReasonHookRetrying: a run came to no result, and is tried again.
	ReasonHookRetrying = "HookRetrying"
	// ReasonHookInvalid: it does not compile, and holds what it matches.
	ReasonHookInvalid = "HookInvalid"
	// ReasonHooksDone: every hook of the side has ended, and none failed.
	ReasonHooksDone = "HooksDone"
	// ReasonHookDone: one has.
	ReasonHookDone = "HookDone"
	// ReasonHookFailed: it said so, or came to no result and has no retry left.
	ReasonHookFailed = "HookFailed"
	// ReasonHookTimedOut: it still waited, or came to no result, when its timeout was over.
	ReasonHookTimedOut = "HookTimedOut"
	// ReasonHookIgnored: it failed, and its onError says Ignore.
	ReasonHookIgnored = "HookIgnored"
	// ReasonHookDeleted: the Hook was deleted before it had ended; nothing more of it is run.
	ReasonHookDeleted = "HookDeleted"
	// ReasonHookLeftOut: the Operation ended before it.
	ReasonHookLeftOut = "HookLeftOut"
)

// Reasons of a Server's and a Datacenter's conditions.
const (
	ReasonReady        = "Ready"
	ReasonUntouched    = "Untouched"
	ReasonProvisioning = "Provisioning"
	ReasonQuarantined  = "Quarantined"
	// ReasonMachineUnhealthy: MachineHealthy says what is wrong.
	ReasonMachineUnhealthy = "MachineUnhealthy"
	ReasonReleased         = "Released"
	ReasonAdopted          = "Adopted"
	ReasonOperationGone    = "OperationGone"
	ReasonReachable        = "Reachable"
	ReasonChecking         = "Checking"
	ReasonNoRequestID      = "SiteKnowsNoRequestID"
	ReasonRequestID        = "SiteKnowsRequestID"
	ReasonPaused           = "Paused"
	ReasonNoDriver         = "DriverMissing"
	ReasonInsecure         = "InsecureSkipVerify"
)

const (
	// Finalizer keeps an Operation, a busy Server and a used Datacenter until what runs has ended.
	Finalizer = "stargate.io/in-use"

	// AnnotationRelease on a Server holds the UID of the quarantine that is released.
	AnnotationRelease = "stargate.io/release"
	// AnnotationReleaseReason says why.
	AnnotationReleaseReason = "stargate.io/release-reason"

	// AnnotationResolve on an Operation says what became of a request whose reply was lost, as
	// "<request id>=it-ran" or "<request id>=it-did-not".
	AnnotationResolve = "stargate.io/resolve"
	// AnnotationResolveReason says how that is known.
	AnnotationResolveReason = "stargate.io/resolve-reason"

	// AnnotationRequester is stamped at admission with the user who created an Operation.
	AnnotationRequester = "stargate.io/requester"
	// AnnotationRequesterGroups is stamped at admission with that user's groups, one a line.
	AnnotationRequesterGroups = "stargate.io/requester-groups"
	// LabelLease on the Lease of the election is how the admission policy of leaders finds it.
	LabelLease = "stargate.io/lease"
	// AnnotationFenceProbe on an Operation that is never made asks the admission policy of leaders which
	// Lease it goes by.
	AnnotationFenceProbe = "stargate.io/fence-probe"
	// AnnotationOverride on an Operation names the rules that shall not hold or deny it, one a line, as
	// "policy" or "policy/rule". Who may set it is asked at admission: the verb override on the server.
	AnnotationOverride = "stargate.io/override"
	// AnnotationOverrideReason says why.
	AnnotationOverrideReason = "stargate.io/override-reason"
	// AnnotationOverriddenBy says who, stamped at admission.
	AnnotationOverriddenBy = "stargate.io/overridden-by"
	// AnnotationCancelReason says why an Operation was cancelled.
	AnnotationCancelReason = "stargate.io/cancel-reason"
)
