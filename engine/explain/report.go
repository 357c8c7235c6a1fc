package explain

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// Verdict on an Operation.
type Verdict string

// The verdicts on an Operation that has not begun; of any other it is its phase.
const (
	// Free: nothing that is known holds it.
	Free Verdict = "Free"
	// Held: it waits.
	Held Verdict = "Held"
	// Denied: it would end, or ended, without a deed.
	Denied Verdict = "Denied"
	// Void: it would end Cancelled, because it is not wanted, or not what was meant, any more.
	Void Verdict = "Void"
)

// Outcome of a gate.
type Outcome string

// The outcomes.
const (
	// Passes.
	Passes Outcome = "ok"
	// Holds until it clears.
	Holds Outcome = "held"
	// Denies for good.
	Denies Outcome = "denied"
	// Tells only: a warning, an audit, or what a policy in DryRun would have done.
	Tells Outcome = "told"
	// Later: it is asked once the Operation is admitted.
	Later Outcome = "later"
)

// Gate is one thing that an Operation must pass.
type Gate struct {
	Outcome Outcome `json:"outcome"`
	// Source as in a hold: "Policy/one-per-rack", "Server/server-001", "Wave/canary", "Hook/drain".
	Source string `json:"source"`
	// Rule of it, where there are several.
	Rule string `json:"rule,omitempty"`
	// Reason of a hold, a stable constant.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message"`
	// Observed value, and the Limit that it met.
	Observed string `json:"observed,omitempty"`
	Limit    string `json:"limit,omitempty"`
	// Until when, only where a clock decides.
	Until *metav1.Time `json:"until,omitempty"`
	// ClearsWhen says what ends a hold.
	ClearsWhen string `json:"clearsWhen,omitempty"`
	// Overridden: the rule does not let it pass, and somebody who may overrode that.
	Overridden bool `json:"overridden,omitempty"`
	// Effect that a rule which only tells would have.
	Effect string `json:"effect,omitempty"`
	// Expression of a rule, and what it Saw: variables, questions about the fleet, parts of the expression.
	Expression string `json:"expression,omitempty"`
	Saw        []Seen `json:"saw,omitempty"`
	// Cost of it, in units.
	Cost uint64 `json:"cost,omitempty"`
	// Command, without the name of the program, that would change it.
	Command string `json:"command,omitempty"`
}

// Seen is something that a rule saw, with its value.
type Seen struct {
	// What it is: "variables.down", "fleet.unavailable{rack=r01}", or a part of the expression.
	What  string `json:"what"`
	Value string `json:"value"`
	// Depth of a part in its expression, from 1; zero for what is no part.
	Depth int `json:"depth,omitempty"`
}

// Report explains one Operation.
type Report struct {
	Verdict Verdict `json:"verdict"`
	// Exists: there is such an Operation, and it is not only asked what would be.
	Exists     bool   `json:"exists"`
	Name       string `json:"name,omitempty"`
	Namespace  string `json:"namespace"`
	Action     string `json:"action"`
	Server     string `json:"server"`
	Datacenter string `json:"datacenter,omitempty"`
	Profile    string `json:"profile,omitempty"`
	Group      string `json:"group,omitempty"`
	Wave       string `json:"wave,omitempty"`
	Commit     string `json:"commit,omitempty"`
	Requester  string `json:"requester,omitempty"`
	// At is the time that it is explained for.
	At metav1.Time `json:"at"`
	// Since when it is held, runs, or has ended.
	Since *metav1.Time `json:"since,omitempty"`
	// Message of its status, of one that began or ended.
	Message string `json:"message,omitempty"`
	// Gates in the order in which they are asked.
	Gates []Gate `json:"gates"`
	// Clears is when it is let go at the earliest; nil where something other than a clock decides.
	Clears *metav1.Time `json:"clears,omitempty"`
	// Attempts and Hooks of one that began.
	Attempts []v1alpha1.Attempt `json:"attempts,omitempty"`
	Hooks    []v1alpha1.HookRun `json:"hooks,omitempty"`
	// Notes are no gates, but worth knowing.
	Notes []string `json:"notes,omitempty"`
}

// With the gates of some outcomes.
func (r *Report) With(outcomes ...Outcome) []Gate {
	var gates []Gate
	for _, gate := range r.Gates {
		for _, outcome := range outcomes {
			if gate.Outcome == outcome {
				gates = append(gates, gate)
			}
		}
	}
	return gates
}

// gateOf a hold.
func gateOf(hold *v1alpha1.Hold, outcome Outcome) Gate {
	return Gate{Outcome: outcome, Source: hold.Source, Rule: hold.Rule, Reason: hold.Reason, Message: hold.Message,
		Observed: hold.Observed, Limit: hold.Limit, Until: hold.Until, ClearsWhen: hold.ClearsWhen}
}
