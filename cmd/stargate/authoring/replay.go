package authoring

import (
	"slices"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/engine/explain"
	"stargate.io/stargate/policies/rules"
)

// Replay is what policies would have done to Operations of the past, as programs read it.
type Replay struct {
	render.Header
	// Operations that were looked at, and how many of them would have passed every rule.
	Operations int `json:"operations"`
	Passed     int `json:"passed"`
	Held       int `json:"held"`
	Denied     int `json:"denied"`
	// Unknown: a rule asks what cannot be known afterwards.
	Unknown  int        `json:"unknown"`
	Findings []Replayed `json:"findings"`
}

// Replayed is a rule that an Operation of the past would not have kept.
type Replayed struct {
	Namespace string     `json:"namespace"`
	Operation string     `json:"operation"`
	Server    string     `json:"server"`
	Started   time.Time  `json:"started"`
	Ended     string     `json:"ended"`
	Policy    string     `json:"policy"`
	Rule      string     `json:"rule"`
	Outcome   string     `json:"outcome"`
	Until     *time.Time `json:"until,omitempty"`
	Message   string     `json:"message"`
}

// past is a fleet of which nobody knows what it was.
type past struct{}

// Answer implements rules.Fleet.
func (past) Answer(rules.Question) rules.Answer { return rules.Answer{Unknown: true} }

// ReplayOf policies over the latest Operations that ended, at most so many. Objects tell what they are
// now; of a server it is told what it was repaved with before, as far as Operations tell.
func ReplayOf(policies []*rules.Policy, world *explain.World, last int) *Replay {
	out := &Replay{Header: render.HeaderOf("PolicyReplay"), Findings: []Replayed{}}
	ended := endedOf(world.Operations)
	for _, op := range ended[:min(last, len(ended))] {
		out.Operations++
		facts := factsThen(world, op)
		gravest := ""
		for _, policy := range policies {
			for _, f := range policy.Evaluate(facts, past{}).Findings {
				outcome := outcomeOf(&f)
				if gravity[outcome] > gravity[gravest] {
					gravest = outcome
				}
				out.Findings = append(out.Findings, replayed(op, facts, policy.Foresee(facts, past{}, f), outcome))
			}
		}
		out.count(gravest)
	}
	return out
}

// gravity of outcomes: what is known to be denied says more than what cannot be known.
var gravity = map[string]int{"": 0, "told": 1, "unknown": 2, "held": 3, "denied": 4}

func (r *Replay) count(gravest string) {
	switch gravest {
	case "denied":
		r.Denied++
	case "held":
		r.Held++
	case "unknown":
		r.Unknown++
	default:
		r.Passed++
	}
}

func outcomeOf(f *rules.Finding) string {
	switch {
	case f.Reason == rules.ReasonUnknown:
		return "unknown"
	case f.DryRun || f.Effect == rules.Warn || f.Effect == rules.Audit:
		return "told"
	case f.Effect == rules.Deny:
		return "denied"
	}
	return "held"
}

// startOf an Operation: when it was dispatched first, or made.
func startOf(op *v1alpha1.Operation) time.Time {
	if op.Status.StartTime != nil {
		return op.Status.StartTime.Time
	}
	return op.CreationTimestamp.Time
}

// endedOf Operations, the latest first.
func endedOf(operations []*v1alpha1.Operation) []*v1alpha1.Operation {
	var ended []*v1alpha1.Operation
	for _, op := range operations {
		if op.Status.Phase.Terminal() {
			ended = append(ended, op)
		}
	}
	slices.SortStableFunc(ended, func(a, b *v1alpha1.Operation) int { return startOf(b).Compare(startOf(a)) })
	return ended
}

// factsThen are those of an Operation when it started, as far as they can be known.
func factsThen(world *explain.World, op *v1alpha1.Operation) *rules.Facts {
	then := *world
	then.Now = startOf(op)
	facts := then.Wish(op).Facts
	facts.Operation.Failures = 0
	facts.Server.State, facts.Server.Quarantined = string(v1alpha1.ServerReady), false
	facts.Server.LastRepaved = time.Unix(0, 0).UTC()
	for _, other := range world.Operations {
		if other.Namespace != op.Namespace || other.Spec.ServerRef.Name != op.Spec.ServerRef.Name || other.Spec.Operation != v1alpha1.ActionRepave ||
			other.Status.Phase != v1alpha1.OperationSucceeded || other.Status.CompletionTime == nil {
			continue
		}
		if at := other.Status.CompletionTime.Time; at.Before(then.Now) && at.After(facts.Server.LastRepaved) {
			facts.Server.LastRepaved = at
		}
	}
	return facts
}

func replayed(op *v1alpha1.Operation, facts *rules.Facts, f rules.Finding, outcome string) Replayed {
	out := Replayed{Namespace: op.Namespace, Operation: op.Name, Server: op.Spec.ServerRef.Name, Started: facts.Now, Ended: string(op.Status.Phase),
		Policy: f.Policy, Rule: f.Rule, Outcome: outcome, Message: f.Message}
	if outcome == "unknown" {
		out.Message = "it asks the fleet, and nobody knows afterwards what was down or under way then"
	}
	for i := range f.Releases {
		if at := f.Releases[i].At; !at.IsZero() && (out.Until == nil || at.Before(*out.Until)) {
			out.Until = &at
		}
	}
	return out
}
