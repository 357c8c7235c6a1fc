package rules

import (
	"fmt"
	"strings"
	"time"
)

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
	// Total of the servers, the one that is judged too.
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

// Question about the fleet. Active and Unavailable never count the Operation that is judged, nor the
// server that it is for.
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

// Forecast is what a Fleet may also be: it knows how the clock alone will change the answers about
// failures. Of one that does not know, nothing is foreseen beyond Answer.Changes.
type Forecast interface {
	Fleet
	// AnswerAt a later time, if nothing happens until then.
	AnswerAt(Question, time.Time) Answer
}

// String of a question, as people read it: "unavailable{datacenter=west,rack=r1}".
func (q Question) String() string {
	var text strings.Builder
	text.WriteString(string(q.Kind))
	if q.Kind == Failed {
		text.WriteString("(" + short(q.Within) + ")")
	}
	text.WriteByte('{')
	if q.Keys != "" {
		values := strings.Split(q.Values, "\x00")
		for i, key := range strings.Split(q.Keys, ",") {
			if i > 0 {
				text.WriteByte(',')
			}
			text.WriteString(key + "=")
			if i < len(values) {
				text.WriteString(values[i])
			}
		}
	}
	text.WriteByte('}')
	return text.String()
}

// Tell a count as the answer, for people: "1 server unavailable in datacenter west, rack r01".
func (q Question) Tell(count int64) string {
	what := "server"
	if q.Kind == Active || q.Kind == Failed {
		what = "Operation"
	}
	if count != 1 {
		what += "s"
	}
	text := fmt.Sprintf("%d %s", count, what)
	switch q.Kind {
	case Active, Unavailable:
		text += " " + string(q.Kind)
	case Failed:
		text += " failed within " + short(q.Within)
	case Total:
	}
	if q.Keys == "" {
		return text + " in the fleet"
	}
	values := strings.Split(q.Values, "\x00")
	for i, key := range strings.Split(q.Keys, ",") {
		if i > 0 {
			text += ","
		} else {
			text += " in"
		}
		text += " " + strings.TrimPrefix(key, labelPrefix) + " "
		if i < len(values) && values[i] != "" {
			text += values[i]
		} else {
			text += `""`
		}
	}
	return text
}

// short is a duration without the zeros that it ends in.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
