package explain

import (
	"strings"

	"stargate.io/stargate/api/v1alpha1"
)

// command that would change what a gate says, without the name of the program; empty where there is
// none, or where it lets the Operation pass.
func (r *Report) command(gate *Gate) string {
	if gate.Outcome != Holds && gate.Outcome != Denies {
		return ""
	}
	in := " -n " + r.Namespace
	kind, name, _ := strings.Cut(gate.Source, "/")
	switch gate.Reason {
	case v1alpha1.ReasonServerPaused:
		return "resume server " + r.Server + in + " --reason …"
	case v1alpha1.ReasonServerQuarantined:
		return "release server " + r.Server + in + " --reason …"
	case v1alpha1.ReasonDatacenterPaused:
		return "resume datacenter " + name + in + " --reason …"
	case v1alpha1.ReasonRolloutPaused:
		return "rollout resume " + r.Group + in + " --reason …"
	case v1alpha1.ReasonFleetSuspended:
		return "fleet resume " + strings.TrimPrefix(gate.Rule, "Fleet/") + " --reason …"
	case v1alpha1.ReasonServerBusy:
		if other, ok := strings.CutSuffix(strings.TrimPrefix(gate.ClearsWhen, "Operation/"), " ends"); ok {
			return "cancel operation " + other + in + " --reason …"
		}
	}
	if kind == "Policy" {
		return r.letPass(gate, name, in)
	}
	return ""
}

// letPass is how a person who may lets an Operation pass a rule: by the approval that it asks for, or by
// overriding it. One that does not exist yet is made first.
func (r *Report) letPass(gate *Gate, policy, in string) string {
	if !r.Exists || gate.Outcome == Denies && r.Verdict == Denied {
		return ""
	}
	rule := policy
	if gate.Rule != "" {
		rule += "/" + gate.Rule
	}
	if strings.Contains(gate.ClearsWhen, "approval") {
		return "approve operation " + r.Name + in + " --reason …"
	}
	return "approve operation " + r.Name + in + " --override " + rule + " --reason …"
}
