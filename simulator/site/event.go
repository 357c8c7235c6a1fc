package site

import (
	"time"

	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/simulator"
)

// kind says what an event tells.
type kind string

// The kinds of event, in the order in which the life of a job shows them.
const (
	accepted  kind = "accepted"  // a job was made: JobID, RequestID, BodyHash, Job
	began     kind = "began"     // it works on its machine: JobID
	cancelled kind = "cancelled" // it is to be given up: JobID
	ended     kind = "ended"     // JobID, Outcome
	voided    kind = "voided"    // RequestID makes no job: RequestID
)

// event is one line of the journal. Fields that do not apply are empty.
type event struct {
	Kind kind      `json:"kind"`
	At   time.Time `json:"at"`

	JobID     string `json:"jobId,omitempty"`
	RequestID string `json:"requestId,omitempty"`
	// BodyHash names the request's content: the same id with another one is refused.
	BodyHash string         `json:"bodyHash,omitempty"`
	Job      *simulator.Job `json:"job,omitempty"`
	Outcome  *outcome       `json:"outcome,omitempty"`
}

// outcome is how a job ended.
type outcome struct {
	Phase     wire.Phase  `json:"phase"`
	Stage     string      `json:"stage,omitempty"`
	Percent   int32       `json:"percent,omitempty"`
	Message   string      `json:"message,omitempty"`
	Untouched bool        `json:"untouched,omitempty"`
	Unchanged bool        `json:"unchanged,omitempty"`
	Facts     *wire.Facts `json:"facts,omitempty"`
}
