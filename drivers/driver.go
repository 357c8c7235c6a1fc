// Package drivers is the contract between Stargate and whatever reaches the machines of one
// datacenter. A driver turns one Request into at most one job at its site, and says honestly what
// it does not know.
//
// In: a Request whose ID is the idempotency key of one attempt. Out: a JobRef, a JobStatus, or one
// of the four kinds of error. A driver never decides whether an operation may run, never retries
// where the first try may have landed and the site cannot tell, and never touches a machine that
// the Request does not name.
//
//	            ┌── Transient: it did not land; come back
//	Start ──────┼── Rejected:  the site refused; it will again
//	            ├── Unknown:   it may have landed; ask Find
//	            └── JobRef ──▶ Status ──▶ succeeded | failed | cancelled
package drivers

import (
	"context"
	"time"
)

// Action is what is done to a machine. The values are those of Operation.spec.operation.
type Action string

// The actions that a site may offer.
const (
	Repave   Action = "repave"
	Reboot   Action = "reboot"
	PowerOn  Action = "powerOn"
	PowerOff Action = "powerOff"
	Inspect  Action = "inspect"
)

// Driver reaches the machines of one datacenter. Its methods are safe for concurrent use, return
// no later than their context's deadline, and return an error of one of the four kinds only.
type Driver interface {
	// Start asks the site for a job. It is idempotent on Request.ID wherever the site is: a second
	// call with the same ID returns the first call's job. Where the site is not (Capabilities says
	// so), a caller must not call twice with an ID whose first outcome was Unknown.
	Start(ctx context.Context, request Request) (JobRef, error)

	// Find tells whether the site has a job for a request ID. A site that cannot tell answers an
	// Unknown error, never "no".
	Find(ctx context.Context, requestID string) (JobRef, bool, error)

	// Status reads a job. NotFound means that the site answered and knows no such job.
	Status(ctx context.Context, job JobRef) (JobStatus, error)

	// Cancel asks the site to end a job, and returns once the site has accepted that, not once the
	// job has ended. With an empty JobRef.JobID it voids the request ID: a job made from it is
	// cancelled, and if there is none, a later Start with that ID is refused by the site
	// (Rejected with ReasonVoided answers Start; Cancel answers NotFound to say that there was no job). Rejected
	// means that this site cannot cancel.
	Cancel(ctx context.Context, job JobRef) error
}

// Prober is implemented by drivers that can tell what their site is, which they all should.
type Prober interface {
	// Probe asks the site for its health and its capabilities.
	Probe(ctx context.Context) (Capabilities, error)
}

// Capabilities is what a site can do. What is false is a weaker guarantee, and is shown on the
// Datacenter.
type Capabilities struct {
	// Version is the API version that the site speaks, for example "v1" or "v2".
	Version string
	// Idempotent: the site makes one job for a request ID, however often it is sent, Find can
	// answer, and Cancel can void an ID.
	Idempotent bool
	// Cancel: the site can end a running job.
	Cancel bool
	// ChecksIdentity: the site refuses a request whose UID, MAC or BMC is not the machine's.
	ChecksIdentity bool
	// ReportsApplied: JobStatus of an inspect job carries what the machine last got, so that
	// OnlyIfNeeded works.
	ReportsApplied bool
	// Actions that the site offers.
	Actions []Action
}

// Offers tells whether the site offers an action.
func (c Capabilities) Offers(action Action) bool {
	for _, offered := range c.Actions {
		if offered == action {
			return true
		}
	}
	return false
}

// Request is everything that the site learns of one attempt.
type Request struct {
	// ID is the idempotency key, "<operation uid>-<attempt>".
	ID     string
	Action Action
	Server Identity
	// Image is what a repave puts on the machine; nil for the other actions.
	Image *Image
	// OnlyIfNeeded: a machine that already has ProfileHash is to be reported as succeeded,
	// unchanged, instead of being wiped.
	OnlyIfNeeded bool
	// Timeout is how long the job may take at the site; zero leaves it to the site.
	Timeout time.Duration
}

// Identity is what a machine is known by. A site that can check refuses a mismatch (Rejected with
// ReasonIdentityMismatch).
type Identity struct {
	// Name of the Server object; the DC API's serverId.
	Name string
	// UID of the Server object.
	UID string
	// MAC in lower case with colons, for example "aa:bb:cc:dd:ee:01".
	MAC string
	// BootMAC where the machine boots from another interface.
	BootMAC string
	// IPv4 in dotted form.
	IPv4 string
	// BMC is the address of the management controller.
	BMC string
	// CurrentOS is the OS version that the machine is believed to run; empty when unknown.
	CurrentOS string
}

// Image is an operating system with its configuration.
type Image struct {
	OSVersion string
	URL       string
	// Checksum as "sha256:<hex>" or "sha512:<hex>".
	Checksum string
	// Format, for example "qcow2" or "raw".
	Format string
	// UserData, NetworkData and MetaData are cloud-init documents, rendered.
	UserData    []byte
	NetworkData []byte
	MetaData    []byte
	// ProfileHash names this content; a site keeps it with the machine.
	ProfileHash string
}

// JobRef names a job at a site.
type JobRef struct {
	// RequestID that the job was made from.
	RequestID string
	// JobID that the site gave; empty when it is not known.
	JobID string
}

// Phase of a job at its site.
type Phase string

// The phases that a site reports. The last three are terminal.
const (
	JobPending   Phase = "pending"
	JobRunning   Phase = "running"
	JobSucceeded Phase = "succeeded"
	JobFailed    Phase = "failed"
	JobCancelled Phase = "cancelled"
)

// Terminal tells whether a job in this phase has ended.
func (p Phase) Terminal() bool {
	return p == JobSucceeded || p == JobFailed || p == JobCancelled
}

// JobStatus is what a site says of a job.
type JobStatus struct {
	Phase Phase
	// Percent done, 0 to 100.
	Percent int32
	// Stage, for example "download"; Message is for people. Both are cut to a bounded length.
	Stage   string
	Message string
	// Untouched: the job ended without having changed the machine. False when the site cannot
	// tell.
	Untouched bool
	// Unchanged: OnlyIfNeeded held, and the machine already had what was asked for.
	Unchanged bool
	// Facts learned about the machine; nil when there are none.
	Facts *Facts
}

// Facts are what a site learned of a machine.
type Facts struct {
	// Power is "on", "off" or empty.
	Power string
	// OSVersion and ProfileHash that the machine last got; empty when unknown.
	OSVersion   string
	ProfileHash string
	// Hardware, free form, for example {"cpus":"64","memoryGiB":"512"}; at most 32 entries.
	Hardware map[string]string
}
