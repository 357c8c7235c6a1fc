package rules

import "time"

// Reasons of findings: why a rule holds, denies or tells.
const (
	// ReasonViolated: the expression is false.
	ReasonViolated = "PolicyViolated"
	// ReasonBroken: the policy does not compile.
	ReasonBroken = "PolicyInvalid"
	// ReasonFailed: the expression ended in an error, for example over a label that is not there.
	ReasonFailed = "PolicyError"
	// ReasonCost: the expression cost more than it may.
	ReasonCost = "PolicyTooCostly"
	// ReasonUnstamped: it asks for a requester or source that no admission vouches for.
	ReasonUnstamped = "NotStamped"
	// ReasonUnknown: it asks something of the fleet that is not counted yet.
	ReasonUnknown = "FleetNotCounted"
)

// Result of judging one Operation by one policy.
type Result struct {
	// Matched: the policy is about this Operation.
	Matched bool
	// Findings, one for each violated rule, in the order of the rules.
	Findings []Finding
}

// Finding is a rule that is violated, or that cannot be asked, which counts as a Hold.
type Finding struct {
	Policy, Rule string
	Effect       Effect
	DryRun       bool
	Reason       string
	Message      string
	// Asked are the questions about the fleet that were asked on the way to it, variables and match
	// conditions included.
	Asked []Asked
	// Releases are the single changes that would end the violation, all else being equal; of each
	// kind the least. Empty where no single change of clock, fleet or approvals would, and as long as
	// Policy.Foresee has not looked for them.
	Releases []Release
	// Together are two changes that release it at once, where neither of them would alone.
	Together []Release
	// Recheck is how soon to ask again although nothing is known to change: retryAfter, or, for a
	// rule that reads the clock in a way that cannot be foreseen, a minute; zero for not at all.
	Recheck time.Duration
}

// Asked is a question with the answer that it got.
type Asked struct {
	Question Question
	Answer   Answer
}

// Release is a single change that makes a violated rule true.
type Release struct {
	// At is when the clock alone releases it; zero where it is not the clock.
	At time.Time
	// Question whose answer must become Count; nil where it is not the fleet. From the count that was
	// answered towards Count, it is the first that releases.
	Question *Question
	Count    int64
	// Approvals that are missing, by different users; zero where it is not that.
	Approvals int
	// Text says it for a person: "server-0101 or another of rack r01 is back".
	Text string
}
