package wire

import (
	"encoding/json"
	"time"
)

// Run asks the worker for one run.
type Run struct {
	// Name of the script in messages, and its text.
	Name, Text string
	// Context, a JSON object; each of its members becomes one of ctx.
	Context json.RawMessage
	// State that the last wait left, a JSON object; empty for none.
	State json.RawMessage `json:",omitempty"`
	Key   string
	// Deadline of the run, after which the worker is ended.
	Deadline time.Duration
	// Now is what the clock says. Frozen: it stands still during the run.
	Now    time.Time
	Frozen bool
	// Lines asks for the lines that were run.
	Lines bool
}

// Log is a line that the script logged.
type Log struct{ Text string }

// Event that the script tells.
type Event struct {
	Warning         bool
	Reason, Message string
}

// HTTP asks for a request.
type HTTP struct {
	Method, URL string
	Headers     map[string]string
	Body        []byte
	Timeout     time.Duration
}

// HTTPReply is what came back.
type HTTPReply struct {
	Status  int
	Headers map[string]string
	Body    []byte
}

// Kube asks for a Kubernetes verb.
type Kube struct {
	Verb      string
	Arguments json.RawMessage
}

// Reply to HTTP and Kube.
type Reply struct {
	// Error, empty where it was carried out; Reason where it is more than the script's own error.
	Error, Reason string
	HTTP          *HTTPReply      `json:",omitempty"`
	Kube          json.RawMessage `json:",omitempty"`
}

// End of a run.
type End struct {
	// Outcome is one of hooks.Outcome, Reason one of the reasons here.
	Outcome, Reason, Message string
	After                    time.Duration
	State                    json.RawMessage `json:",omitempty"`
	// Peak memory of the worker, in bytes.
	Peak int64
	// Lines that were run, where they were asked for.
	Lines []int `json:",omitempty"`
}

// Reasons of a run that ended in an error. The parent's own constants are these.
const (
	ReasonScriptError   = "HookScriptError"
	ReasonDeadline      = "HookDeadline"
	ReasonMemory        = "HookMemory"
	ReasonOutput        = "HookOutputTooLarge"
	ReasonBadReturn     = "HookReturnInvalid"
	ReasonNotAllowed    = "HookNotAllowed"
	ReasonWorkerFailure = "HookWorkerFailed"
)
