package site

import (
	"time"

	"stargate.io/stargate/drivers/dcapi/wire"
)

// EventKind says what an Event tells.
type EventKind string

// The kinds of event, in the order in which the life of a job shows them.
const (
	// Received: a request that could change something came in. Method, Path, RequestID, ServerID, Action.
	Received EventKind = "received"
	// Refused: a request made no job. Code.
	Refused EventKind = "refused"
	// Accepted: a job was made. JobID and Job.
	Accepted EventKind = "accepted"
	// Replayed: a request id came again and was answered with the job that it had made. JobID.
	Replayed EventKind = "replayed"
	// Began: a job started to work on its machine. JobID.
	Began EventKind = "began"
	// Cancelled: a cancellation was accepted for a live job, which will end as cancelled. JobID.
	Cancelled EventKind = "cancelled"
	// Ended: a job came to its end. JobID, Phase.
	Ended EventKind = "ended"
	// Voided: a request id was tombstoned. RequestID.
	Voided EventKind = "voided"
	// Registered: a machine's identity was set by hand. Machine.
	Registered EventKind = "registered"
	// Forgotten: a machine's identity was removed by hand. ServerID.
	Forgotten EventKind = "forgotten"
)

// Event is one line of the record. Fields that do not apply are empty.
type Event struct {
	// Seq counts from 1 without gaps.
	Seq int64 `json:"seq"`
	// At is the site's clock; it never goes back within a record.
	At   time.Time `json:"at"`
	Kind EventKind `json:"kind"`

	JobID     string `json:"jobId,omitempty"`
	RequestID string `json:"requestId,omitempty"`
	ServerID  string `json:"serverId,omitempty"`
	Action    string `json:"action,omitempty"`
	// Phase in which a job ended: succeeded, failed or cancelled.
	Phase string `json:"phase,omitempty"`
	// Unchanged: the job left the machine as it was, because it had already what was asked for.
	Unchanged bool `json:"unchanged,omitempty"`

	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	// Code of a refusal, as in the DC API.
	Code string `json:"code,omitempty"`
	// Live jobs at the site right after this event; set on Accepted, Began and Ended.
	Live int `json:"live,omitempty"`

	// Job is what was accepted; set on Accepted.
	Job *JobSpec `json:"job,omitempty"`
	// Machine is what was registered; set on Registered.
	Machine *Machine `json:"machine,omitempty"`
}

// JobSpec is all that decides how a job runs, fixed when it is accepted.
type JobSpec struct {
	// BodyHash names the request's content: the same key with another one is refused.
	BodyHash string `json:"bodyHash"`
	// Server as the request described it.
	Server wire.Server `json:"server"`
	// OSVersion and ProfileHash that a repave puts on the machine.
	OSVersion   string `json:"osVersion,omitempty"`
	ProfileHash string `json:"profileHash,omitempty"`
	// Total is how long the job takes from Accepted to Ended.
	Total time.Duration `json:"total"`
	// Timeout ends the job as failed; zero is none.
	Timeout time.Duration `json:"timeout,omitempty"`
	// FailStage is the stage in which the job fails; empty when it does not.
	FailStage string `json:"failStage,omitempty"`
	// Hangs: the job never ends by itself.
	Hangs bool `json:"hangs,omitempty"`
	// Unchanged: there is nothing to do, and the job ends as soon as it is accepted.
	Unchanged bool `json:"unchanged,omitempty"`
}

// Machine is what the site knows of a machine.
type Machine struct {
	wire.Server
	// Power is "on" or "off".
	Power string `json:"power"`
	// OSVersion and ProfileHash that the machine last got; empty when unknown, or since a failed repave.
	OSVersion   string `json:"osVersion,omitempty"`
	ProfileHash string `json:"profileHash,omitempty"`
	// Repaves that wrote to the disk, whatever became of them.
	Repaves int `json:"repaves"`
}
