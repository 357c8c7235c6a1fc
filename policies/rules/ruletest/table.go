package ruletest

import (
	"time"

	"stargate.io/stargate/policies/rules"
)

// Table of tests, as it is written.
type Table struct {
	// File that it is from.
	File string
	// Policies are the files that it is about, beside it.
	Policies []string
	Cases    []Case
}

// Case of a table.
type Case struct {
	Name string
	// Line that it starts in.
	Line  int
	Facts rules.Facts
	Fleet Fleet
	Wants []Want
}

// Outcome of a rule, or of a policy.
type Outcome string

// The outcomes. That of a policy is the gravest of its rules, in this order.
const (
	Denied    Outcome = "denied"
	Held      Outcome = "held"
	Warned    Outcome = "warned"
	Audited   Outcome = "audited"
	Passed    Outcome = "passed"
	Unmatched Outcome = "unmatched"
)

var outcomes = []string{string(Denied), string(Held), string(Warned), string(Audited), string(Passed), string(Unmatched)}

// Want is what a case expects of a rule, or of a whole policy.
type Want struct {
	// Of is the rule, as "rule" or "policy/rule", or the policy.
	Of string
	// Line that it is in.
	Line int
	Is   Outcome
	// Until is when the clock alone releases it; zero where that is not asked.
	Until time.Time
	// Message that must be contained, and the reason that must be; empty where it is not asked.
	Message, Reason string
}

// Fleet of a case: the answers that it gives. What it does not give is 0.
type Fleet []Given

// Given answer.
type Given struct {
	Question rules.Question
	// AnyTime: it answers for failures within any time.
	AnyTime bool
	Answer  rules.Answer
}

// Answer a question.
func (f Fleet) Answer(q rules.Question) rules.Answer {
	for _, g := range f {
		if g.Question.Dimension == q.Dimension && g.Question.Values == q.Values && (g.AnyTime || g.Question.Within == q.Within) {
			return g.Answer
		}
	}
	return rules.Answer{}
}

// Defaults are the facts of a case that says nothing else: a rollout repaves a server that is up, and
// admission vouches for who and what it stems from.
func Defaults() rules.Facts {
	now := time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC) // A Monday.
	return rules.Facts{
		Operation: rules.Operation{
			Name: "repave-server-001", Namespace: "dc-west", UID: "operation-uid", Action: "repave", Created: now,
			Disruptive: true, ExpectedDuration: 20 * time.Minute,
		},
		Server:     rules.Server{Name: "server-001", Namespace: "dc-west", UID: "server-uid", State: "ready", Touched: true, Power: "on"},
		Profile:    rules.Profile{Name: "web"},
		Group:      rules.Group{Name: "web"},
		Datacenter: rules.Datacenter{Name: "dc-west", Namespace: "dc-west"},
		Requester:  rules.Requester{Username: "system:serviceaccount:stargate-system:stargate", Stamped: true},
		Source:     rules.Origin{Stamped: true},
		Now:        now,
	}
}
