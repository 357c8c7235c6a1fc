package explain

import (
	"fmt"
	"strings"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
)

// policy adds what one policy says, rule by rule.
func (r *Report) policy(told *ledger.PolicyTold) {
	violated := told.Violated
	for i := range told.Rules {
		rule := &told.Rules[i]
		gate := Gate{Outcome: Passes, Source: "Policy/" + told.Policy, Rule: rule.Name, Message: "kept"}
		if rule.Finding != nil {
			gate, violated = r.violation(&violated[0]), violated[1:]
		} else if seen := asked(told); seen != "" {
			gate.Message = "kept: " + seen
		}
		gate.Expression, gate.Cost, gate.Saw = strings.TrimSpace(rule.Expression), rule.Cost, saw(told)
		for _, part := range rule.Parts {
			if part.Asked {
				gate.Saw = append(gate.Saw, Seen{What: part.Expression, Value: part.Value, Depth: part.Depth + 1})
			}
		}
		r.Gates = append(r.Gates, gate)
	}
}

// violation is the gate of a rule that does not let the Operation pass.
func (r *Report) violation(rule *ledger.RuleTold) Gate {
	gate := gateOf(&rule.Hold, Tells)
	gate.Effect = string(rule.Finding.Effect)
	blocks := gate.Effect == string(v1alpha1.EffectHold) || gate.Effect == string(v1alpha1.EffectDeny)
	switch {
	case rule.Overridden:
		gate.Outcome, gate.Overridden = Passes, true
	case rule.Finding.DryRun || !blocks:
	case gate.Effect == string(v1alpha1.EffectDeny):
		gate.Outcome = Denies
	default:
		gate.Outcome = Holds
	}
	return gate
}

// saw are the variables and the questions about the fleet, with their values.
func saw(told *ledger.PolicyTold) []Seen {
	var all []Seen
	for _, condition := range told.Conditions {
		all = append(all, Seen{What: "condition " + condition.Name, Value: condition.Value})
	}
	for _, variable := range told.Variables {
		if !variable.Unused {
			all = append(all, Seen{What: "variables." + variable.Name, Value: variable.Value})
		}
	}
	return append(all, Asked(told)...)
}

// asked says in short what a policy asked the fleet.
func asked(told *ledger.PolicyTold) string {
	var all []string
	for i := range told.Asked {
		all = append(all, fmt.Sprintf("%s is %s", told.Asked[i].Question, answer(told, i)))
	}
	return strings.Join(all, ", ")
}
