package v1alpha1

// Reasons of a ServerGroup's conditions, holds and events, beside those of Operations.
const (
	ReasonUpToDate         = "UpToDate"
	ReasonRollingOut       = "RollingOut"
	ReasonNewRevision      = "NewRevision"
	ReasonWaveStarted      = "WaveStarted"
	ReasonWaveDone         = "WaveDone"
	ReasonRolloutComplete  = "RolloutComplete"
	ReasonRolloutPaused    = "RolloutPaused"
	ReasonTooManyFailures  = "TooManyFailures"
	ReasonServerFailed     = "ServerFailed"
	ReasonSoaking          = "Soaking"
	ReasonWaveUnhealthy    = "WaveUnhealthy"
	ReasonApprovalRequired = "ApprovalRequired"
	ReasonGroupConflict    = "GroupConflict"
	ReasonDrifted          = "Drifted"
	ReasonEdited           = "Edited"
	ReasonCommitIncomplete = "CommitIncomplete"
	ReasonFleetSuspended   = "FleetSuspended"
	ReasonFleetNotFound    = "FleetNotFound"
	ReasonNoServers        = "NoServers"
	// ReasonGroupGone: the group whose rollout made an Operation is gone, or has given it up.
	ReasonGroupGone = "GroupGone"
	// ReasonOperationNotMade: an Operation of a rollout could not be made, and is tried again.
	ReasonOperationNotMade = "OperationNotMade"
	// ReasonAdopting: a Server is to be adopted as it is, and was not yet.
	ReasonAdopting = "Adopting"
)

// Reasons of a Fleet's conditions, holds and events, beside those above.
const (
	ReasonApplied              = "Applied"
	ReasonApplying             = "Applying"
	ReasonPruned               = "Pruned"
	ReasonDriftPutBack         = "DriftPutBack"
	ReasonApproved             = "Approved"
	ReasonSuspended            = "Suspended"
	ReasonFetching             = "Fetching"
	ReasonFetchFailed          = "FetchFailed"
	ReasonAuthenticationFailed = "AuthenticationFailed"
	ReasonRefNotFound          = "RefNotFound"
	ReasonSourceRefused        = "SourceRefused"
	ReasonSignatureInvalid     = "SignatureInvalid"
	ReasonCommitInvalid        = "CommitInvalid"
	ReasonApplyFailed          = "ApplyFailed"
	ReasonRolloutStalled       = "RolloutStalled"
	ReasonSpecInvalid          = "SpecInvalid"
)
