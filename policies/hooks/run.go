package hooks

import (
	"context"
	"encoding/json"
	"time"

	"stargate.io/stargate/policies/hooks/wire"
)

// Call is one run of a script.
type Call struct {
	// Name of the Hook, for messages.
	Name string
	// Script to run.
	Script *Script
	// Context that the script gets as ctx: plain values that become Lua tables. ctx.state is State.
	Context map[string]any
	// State that the script left at its last wait, as a JSON object; empty for none.
	State json.RawMessage
	// Key is the same in each run of this hook for this Operation, so that what the script tells others
	// to do can be told apart from a second telling.
	Key string
	// Deadline of the run.
	Deadline time.Duration
	// Hosts that http may reach, as in spec.allow.hosts.
	Hosts []string
	// Verbs that kube may use, as in spec.allow.kubernetes.
	Verbs []string
	// Lines asks for the lines that were run; for tests.
	Lines bool
}

// Outcome of a run.
type Outcome string

// The outcomes. Errored is a script that did not come to say anything: it raised an error, met a
// bound, or returned something else than it may.
const (
	Done    Outcome = "Done"
	Wait    Outcome = "Wait"
	Fail    Outcome = "Fail"
	Errored Outcome = "Errored"
)

// Reasons of an Errored run.
const (
	ReasonScriptError   = wire.ReasonScriptError
	ReasonDeadline      = wire.ReasonDeadline
	ReasonMemory        = wire.ReasonMemory
	ReasonOutput        = wire.ReasonOutput
	ReasonBadReturn     = wire.ReasonBadReturn
	ReasonNotAllowed    = wire.ReasonNotAllowed
	ReasonWorkerFailure = wire.ReasonWorkerFailure
)

// Result of a run.
type Result struct {
	Outcome Outcome
	// Reason of an Errored run.
	Reason string
	// Message of a wait, a failure or an error. Of an error with the script's line where it is known.
	Message string
	// After is when a wait wants to be run again.
	After time.Duration
	// State to be kept, as a JSON object.
	State json.RawMessage
	// Log are the lines that the script logged, and Events what it told.
	Log    []string
	Events []Event
	// Verbs that were carried out, in their order, each with what came of it; for the record.
	Verbs []VerbDone
	// Took is how long it ran, and Memory what the worker had at its peak, in bytes; for the report.
	Took   time.Duration
	Memory int64
	// Lines that were run, where the Call asked for them.
	Lines []int
}

// Event that a script tells about its Operation.
type Event struct {
	Warning         bool
	Reason, Message string
}

// VerbDone is a Kubernetes verb or an http request that was carried out.
type VerbDone struct {
	// What was done: "kube.drain", "http GET https://cmdb.example/…" without query.
	What string
	// Result, or the error.
	Result string
	Failed bool
}

// Host carries out, in the parent, what scripts may not do themselves. What spec.allow does not have
// never reaches it. Nil is a host without a cluster.
type Host interface {
	// Kubernetes carries out cordon, drain, uncordon, deleteNode, nodeReady or labels, with the script's
	// arguments, and gives plain values.
	Kubernetes(ctx context.Context, verb string, arguments map[string]any) (any, error)
}

// Outside is what a Host may have beside: then what a script asks by http, once the allow-list lets it pass, comes
// here and not to the network, and Now is the time, which stands still. For tests of scripts.
type Outside interface {
	HTTP(ctx context.Context, request Request) (Response, error)
	Now() time.Time
}

// Request of a script by http.
type Request struct {
	Method, URL string
	Headers     map[string]string
	Body        []byte
}

// Response to it.
type Response struct {
	Status  int
	Headers map[string]string
	Body    []byte
}
