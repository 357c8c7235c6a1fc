package rules

import (
	"time"

	"k8s.io/apimachinery/pkg/labels"
)

// Effect of a violated rule.
type Effect string

// The effects, as in a Policy's spec.
const (
	Deny  Effect = "Deny"
	Hold  Effect = "Hold"
	Warn  Effect = "Warn"
	Audit Effect = "Audit"
)

// Source of a policy as people write it.
type Source struct {
	Name            string
	Match           Match
	MatchConditions []Expression
	Variables       []Expression
	Rules           []Rule
	// DryRun: what the effects would have been is told, and none of them happens.
	DryRun bool
}

// Match says which Operations a policy is about. What is empty does not narrow; of a list one entry
// must match.
type Match struct {
	Operations, Namespaces, Datacenters, Groups, Profiles []string
	// Servers by their labels; nil for all.
	Servers labels.Selector
}

// Expression with a name: a variable, or a match condition.
type Expression struct{ Name, Expression string }

// Rule is violated when its expression is false.
type Rule struct {
	Name, Expression           string
	Effect                     Effect
	Message, MessageExpression string
	// RetryAfter asks again after this time; zero for when what it read changes.
	RetryAfter time.Duration
}

// Problem with a source.
type Problem struct {
	// Path of the field, for example "spec.rules[per-rack].expression".
	Path string
	// Line and Column within the expression, from 1; zero where they are not known.
	Line, Column int
	// Message says what is wrong and how to mend it.
	Message string
}
