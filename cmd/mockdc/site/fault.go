package site

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FaultKind says how a site misbehaves.
type FaultKind string

// What a site can do wrong. Those up to Redirect befall a request on its way; the others befall a job.
const (
	// Refuse closes the connection without having looked at the request.
	Refuse FaultKind = "refuse"
	// Delay holds the request back for Delay, then serves it.
	Delay FaultKind = "delay"
	// SlowReply serves the request at once and holds the reply back for Delay.
	SlowReply FaultKind = "slow-reply"
	// LoseReply serves the request, then closes the connection without an answer.
	LoseReply FaultKind = "lose-reply"
	// HangReply serves the request and never answers; the client must give up.
	HangReply FaultKind = "hang-reply"
	// Duplicate serves the request twice, as a proxy that retries would deliver it; the first answer is given.
	Duplicate FaultKind = "duplicate"
	// Late serves the request after Delay even though the client may have gone.
	Late FaultKind = "late"
	// Garbage answers what is not of the protocol; Sort says what. With Act the request is served first.
	Garbage FaultKind = "garbage"
	// Status answers Status, with Retry-After where RetryAfter is set. With Act the request is served first.
	Status FaultKind = "status"
	// Redirect answers 307 to Location. With Act the request is served first.
	Redirect FaultKind = "redirect"
	// SlowBytes serves the request and sends the answer one byte each Delay.
	SlowBytes FaultKind = "slow-bytes"

	// FailJob makes the next job fail in Stage (in its first one where Stage is empty or unknown).
	FailJob FaultKind = "fail-job"
	// HangJob makes the next job never end by itself; it can be cancelled.
	HangJob FaultKind = "hang-job"
	// AcceptBusy makes a version 2 site accept a job on a server that has one.
	AcceptBusy FaultKind = "accept-busy"
	// Lie answers a question about a job untruly; Sort says how.
	Lie FaultKind = "lie"
)

// Sorts of Garbage and of Lie.
const (
	HTML        = "html"
	Truncated   = "truncated"
	Endless     = "endless" // 10 GB of JSON that does not end
	WrongJobID  = "wrong-job-id"
	WrongID     = "wrong-request-id"
	EmptyJobID  = "empty-job-id"
	StrangeID   = "strange-job-id"
	BadPercent  = "bad-percent"
	BadPhase    = "bad-phase"
	NotJSON     = "not-json"
	EmptyBody   = "empty"
	Verbatim    = "verbatim" // Body, as it is
	EchoSecrets = "echo"     // the request's headers and body, as an error's message

	LieRunning = "running" // a job that has ended is said to be running
	LieUnknown = "unknown" // a job that exists is said not to
)

// Fault is one thing that goes wrong. It befalls what matches all of Method, Path, Action and Server; what is
// empty matches everything.
type Fault struct {
	// ID is given by the site.
	ID   int       `json:"id,omitempty"`
	Kind FaultKind `json:"kind"`

	Method string `json:"method,omitempty"`
	// Path is the start of the request's path, for example "/jobs".
	Path   string `json:"path,omitempty"`
	Action string `json:"action,omitempty"`
	Server string `json:"server,omitempty"`

	// Count is how often it strikes; 0 is always.
	Count int `json:"count,omitempty"`
	// Skip lets that many matching requests pass first.
	Skip int `json:"skip,omitempty"`
	// Probability of each strike, from Seed; 0 is certainty.
	Probability float64 `json:"probability,omitempty"`
	Seed        uint64  `json:"seed,omitempty"`

	Delay      Duration `json:"delay,omitempty"`
	Stage      string   `json:"stage,omitempty"`
	Sort       string   `json:"sort,omitempty"`
	Status     int      `json:"status,omitempty"`
	RetryAfter string   `json:"retryAfter,omitempty"`
	Location   string   `json:"location,omitempty"`
	Act        bool     `json:"act,omitempty"`
	// Body of a Verbatim answer; base64 in JSON.
	Body []byte `json:"body,omitempty"`

	// Struck counts its strikes so far; given by the site.
	Struck int `json:"struck"`
}

// Duration is a time.Duration written as "1.5s" in JSON.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("reading a duration: %w", err)
	}
	*d = Duration(parsed)
	return nil
}

// ParseFault reads a fault as a flag gives it: "kind=lose-reply,path=/operations,count=1".
// Errors: an unknown key or kind, a value that does not fit.
func ParseFault(text string) (Fault, error) {
	fields := map[string]any{}
	for _, part := range strings.Split(text, ",") {
		key, value, found := strings.Cut(strings.TrimSpace(part), "=")
		if !found {
			key, value = "kind", key
		}
		switch key {
		case "count", "skip", "seed", "status", "probability", "act":
			fields[key] = json.RawMessage(value)
		default:
			fields[key] = value
		}
	}
	encoded, err := json.Marshal(fields)
	if err != nil {
		return Fault{}, fmt.Errorf("reading fault %q: %w", text, err)
	}
	var fault Fault
	if err := decodeStrict(encoded, &fault); err != nil {
		return Fault{}, fmt.Errorf("reading fault %q: %w", text, err)
	}
	return fault, fault.check()
}

// check refuses a fault that could never strike as it is meant.
func (f Fault) check() error {
	switch f.Kind {
	case Refuse, Delay, SlowReply, LoseReply, HangReply, Duplicate, Late, Garbage, Status, Redirect, SlowBytes,
		FailJob, HangJob, AcceptBusy, Lie:
	default:
		return fmt.Errorf("reading a fault: kind %q is not known", f.Kind)
	}
	if f.Probability < 0 || f.Probability > 1 {
		return fmt.Errorf("reading a fault: probability %s is not within 0 and 1", strconv.FormatFloat(f.Probability, 'g', -1, 64))
	}
	if f.Kind == Status && (f.Status < 200 || f.Status > 599) {
		return fmt.Errorf("reading a fault: status %d is not one of HTTP's", f.Status)
	}
	return nil
}

// subject is what a fault may befall.
type subject struct {
	method, path   string
	action, server string
}

func (f *Fault) matches(what subject) bool {
	return (f.Method == "" || f.Method == what.method) &&
		strings.HasPrefix(what.path, f.Path) &&
		(f.Action == "" || f.Action == what.action) &&
		(f.Server == "" || f.Server == what.server)
}

// faults are those in force. Its zero value has none.
type faults struct {
	mu     sync.Mutex
	lastID int
	all    []*armed
}

type armed struct {
	Fault
	random *rand.Rand
}

func (f *faults) add(fault Fault) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lastID++
	fault.ID, fault.Struck = f.lastID, 0
	f.all = append(f.all, &armed{Fault: fault, random: rand.New(rand.NewPCG(fault.Seed, 0))}) //nolint:gosec // to be repeatable
	return fault
}

// remove takes one fault away, or all with id 0, and tells how many there were.
func (f *faults) remove(id int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	kept := make([]*armed, 0, len(f.all))
	for _, fault := range f.all {
		if id != 0 && fault.ID != id {
			kept = append(kept, fault)
		}
	}
	removed := len(f.all) - len(kept)
	f.all = kept
	return removed
}

func (f *faults) list() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Fault, 0, len(f.all))
	for _, fault := range f.all {
		list = append(list, fault.Fault)
	}
	return list
}

// take gives the first fault of a kind that strikes, and counts the strike.
func (f *faults) take(kind FaultKind, what subject) (Fault, bool) {
	return f.first(what, func(candidate FaultKind) bool { return candidate == kind })
}

// takeOnWay gives the first fault that strikes a request on its way.
func (f *faults) takeOnWay(what subject) (Fault, bool) {
	return f.first(what, func(kind FaultKind) bool {
		return kind != FailJob && kind != HangJob && kind != AcceptBusy && kind != Lie
	})
}

func (f *faults) first(what subject, wanted func(FaultKind) bool) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range f.all {
		if !wanted(fault.Kind) || !fault.matches(what) || fault.Count > 0 && fault.Struck >= fault.Count {
			continue
		}
		if fault.Skip > 0 {
			fault.Skip--
			continue
		}
		if fault.Probability > 0 && fault.random.Float64() >= fault.Probability {
			continue
		}
		fault.Struck++
		return fault.Fault, true
	}
	return Fault{}, false
}
