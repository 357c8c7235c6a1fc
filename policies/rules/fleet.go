package rules

import "time"

// Kind of a question about the fleet.
type Kind string

// The questions that rules ask with fleet.active(…), fleet.unavailable(…), fleet.total(…) and
// fleet.failed(within, …).
const (
	// Active Operations: those that have a place, from their admission to their end.
	Active Kind = "active"
	// Unavailable servers: every one that was ever touched and is not ready, whatever made it so, and
	// every one that an admitted disruptive Operation is at work on or about to touch.
	Unavailable Kind = "unavailable"
	// Total of the servers.
	Total Kind = "total"
	// Failed Operations that ended within a time before now.
	Failed Kind = "failed"
)

// Dimension is what is counted apart: a kind of question with the keys that it is asked by. A
// compiled policy knows its dimensions, and only those are counted.
type Dimension struct {
	Kind Kind
	// Keys, sorted, each once: "datacenter", "namespace", "group", "operation" (only of active and
	// failed), or the key of a server label; "label:KEY" for a label that is called like one of the
	// four.
	Keys string // joined by ","
}

// Question about the fleet. It never counts the Operation that is judged, nor the server that is for.
type Question struct {
	Dimension
	// Values of the keys, in their order, joined by "\x00".
	Values string
	// Within is how far back failures count; zero for the other kinds.
	Within time.Duration
}

// Answer to a question.
type Answer struct {
	Count int64
	// Changes is when the clock alone makes the answer another one; zero where it never does.
	Changes time.Time
	// Unknown: the fleet cannot tell (yet); who asks holds.
	Unknown bool
}

// Fleet answers questions in constant time, whatever the size of the fleet.
type Fleet interface {
	Answer(Question) Answer
}
