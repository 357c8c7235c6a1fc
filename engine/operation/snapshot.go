package operation

import (
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
)

// Snapshot is everything that a decision may know. It is a value: Decide changes nothing in it.
type Snapshot struct {
	// Now is the time of the decision.
	Now time.Time
	// Process names the controller process; Epoch is the number of its leadership, zero for none.
	Process string
	Epoch   int64
	// Recheck is how soon something is read again that no watch tells about; zero for 30s.
	Recheck time.Duration

	// Operation as last read or written. Never nil.
	Operation *v1alpha1.Operation
	// Server that it names; nil where there is none.
	Server *v1alpha1.Server
	// SeenServer is the UID of the first Server of that name that this process saw beside the
	// Operation; empty for none.
	SeenServer string
	// Profile that it names, resolved; nil where it names none.
	Profile *Profile
	// Site that reaches the server.
	Site Site
	// Conflicts are other Servers of the datacenter with the same MAC, boot MAC, BMC or address.
	Conflicts []string
	// Rollout that made it, and what that says of it now; nil where none did.
	Rollout *Rollout

	// Verdict of the gate in this pass; nil where it was not asked.
	Verdict *Verdict
	// Confirmed: in this pass, and after the intent was written, the API server itself was asked
	// whether anything now speaks against the deed.
	Confirmed *Confirmation
	// Reply to the latest call to the site; nil where there is none to be folded in.
	Reply *Reply
	// Calling: a call to the site for this Operation is under way.
	Calling bool
	// LastCall is when the latest call ended; zero where this process made none.
	LastCall time.Time
	// Lost is the error of this process's latest Start for the open attempt, where it cannot tell
	// whether the site got the request.
	Lost error
	// NotLanded: this process wrote the open attempt's intent, and none of its calls for it can have
	// reached the site.
	NotLanded bool
	// Hooks that are about the Operation, or that its status names.
	Hooks []Hook
	// HookReply is what the latest run of a hook gave; nil where there is nothing to be folded in.
	HookReply *HookReply
	// HookRuns: a run of a hook is under way.
	HookRuns bool
	// RunDeadline bounds one run of a hook; zero for 30s.
	RunDeadline time.Duration
	// Elected: this process has the lease, so that no other runs hooks.
	Elected bool
	// Stopping: the process ends, and sends nothing any more.
	Stopping bool
}

// Profile is a ProvisioningProfile whose documents are read and rendered for the server.
type Profile struct {
	Name string
	// Hash over what reaches the server, before rendering.
	Hash string
	// Image to be put on the server; nil where Problem is set.
	Image *drivers.Image
	// Problem that keeps it from being used.
	Problem *v1alpha1.Hold
}

// Site is the datacenter that reaches a server.
type Site struct {
	// Name of the Datacenter object; empty for the one given by --dc-url.
	Name string
	// Endpoint where it is reached; empty where that cannot change.
	Endpoint string
	// Problem that keeps it from being used.
	Problem *v1alpha1.Hold
	// Paused with its reason: nothing starts there.
	Paused bool
	Reason string
	// Deleting: the Datacenter goes once what runs there has ended; nothing starts there.
	Deleting bool
	// OnUnknown says what to do where the site cannot tell what became of a request.
	OnUnknown v1alpha1.UnknownOutcome
}

// Verdict of the gate.
type Verdict struct {
	// Admitted: the slot is reserved.
	Admitted bool
	// Denied ends the Operation, with the reason and message of the first hold.
	Denied bool
	// Holds that keep it waiting.
	Holds []v1alpha1.Hold
	// Until is when a clock frees it; zero where only a change does.
	Until time.Time
	// PolicyHash over the policies that let it pass.
	PolicyHash string
}

// Confirmation is what the API server itself said in the moment before the deed.
type Confirmation struct {
	// Hold that now speaks against it; nil where nothing does.
	Hold *v1alpha1.Hold
}

// CallKind is which method of the driver is called.
type CallKind string

// The calls.
const (
	CallStart  CallKind = "Start"
	CallFind   CallKind = "Find"
	CallStatus CallKind = "Status"
	CallCancel CallKind = "Cancel"
)

// Reply to a call.
type Reply struct {
	Kind CallKind
	// RequestID of the attempt that it was made for.
	RequestID string
	// Job that Start or Find named.
	Job drivers.JobRef
	// Found is Find's answer.
	Found bool
	// Status is Status's answer.
	Status drivers.JobStatus
	// Err of one of the four kinds.
	Err error
}

// reply gives the reply of a kind for an attempt, nil where there is none.
func (s *Snapshot) reply(kind CallKind, attempt *v1alpha1.Attempt) *Reply {
	if s.Reply == nil || s.Reply.Kind != kind || s.Reply.RequestID != attempt.RequestID {
		return nil
	}
	return s.Reply.sane()
}

// sane reads an answer that names a job and does not say which as none.
func (r *Reply) sane() *Reply {
	if r.Err != nil || r.Job.JobID != "" || (r.Kind != CallStart && !r.Found) {
		return r
	}
	garbage := &drivers.Error{Kind: drivers.Transient, Reason: drivers.ReasonGarbage, Message: "the site named a job without an id"}
	if r.Kind == CallStart {
		garbage.Kind = drivers.Unknown
	}
	return &Reply{Kind: r.Kind, RequestID: r.RequestID, Err: garbage}
}

// claimed tells whether the Operation has the claim on the Server.
func (s *Snapshot) claimed() bool {
	return s.Server != nil && s.Server.Status.ActiveOperation != nil &&
		s.Server.Status.ActiveOperation.UID == string(s.Operation.UID)
}

// foreign tells whether the Operation's claim was made by another process, which may be at work.
func (s *Snapshot) foreign() bool {
	return s.claimed() && s.Server.Status.ActiveOperation.By != s.Process
}

// unlanded tells whether nothing of the open attempt can have reached the site: not from here, and not
// from elsewhere, for which the claim would have been taken over.
func (s *Snapshot) unlanded() bool { return s.NotLanded && s.claimed() && !s.foreign() }

// recorded gives the end that the Server has already recorded for this Operation.
func (s *Snapshot) recorded() *v1alpha1.LastOperation {
	if s.Server == nil || s.Server.Status.LastOperation == nil ||
		s.Server.Status.LastOperation.UID != string(s.Operation.UID) {
		return nil
	}
	return s.Server.Status.LastOperation
}

// openAttempt gives the attempt that has not ended, nil where there is none.
func (s *Snapshot) openAttempt() *v1alpha1.Attempt {
	attempt := s.Operation.Status.LastAttempt()
	if attempt == nil || attempt.Outcome != "" {
		return nil
	}
	return attempt
}

// dispatched tells whether an attempt was, or is to be, more than an intent that was taken back.
func (s *Snapshot) dispatched() bool {
	for i := range s.Operation.Status.Attempts {
		if s.Operation.Status.Attempts[i].Outcome != v1alpha1.AttemptWithdrawn {
			return true
		}
	}
	return false
}

// deleting tells whether somebody deleted the Operation.
func (s *Snapshot) deleting() bool { return s.Operation.DeletionTimestamp != nil }

// stopWanted gives the reason for which the Operation should end before its time; "" for none.
func (s *Snapshot) stopWanted() string {
	switch {
	case s.deleting():
		return v1alpha1.ReasonDeleted
	case s.Operation.Spec.Cancel:
		return v1alpha1.ReasonCancelled
	}
	return ""
}

// age of an attempt's job.
func (s *Snapshot) age(attempt *v1alpha1.Attempt) time.Duration {
	if attempt.DispatchedAt == nil {
		return 0
	}
	return s.Now.Sub(attempt.DispatchedAt.Time)
}

// recheck is when something is read again that no watch tells about.
func (s *Snapshot) recheck() time.Time {
	if s.Recheck == 0 {
		return s.Now.Add(defaultRecheck)
	}
	return s.Now.Add(s.Recheck)
}

// timeout of one attempt.
func (s *Snapshot) timeout() time.Duration {
	if t := s.Operation.Spec.Timeout; t != nil {
		return t.Duration
	}
	if s.Operation.Spec.Operation == v1alpha1.ActionRepave {
		return 2 * time.Hour
	}
	return 15 * time.Minute
}
