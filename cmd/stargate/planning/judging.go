package planning

import (
	"slices"
	"strings"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/explain"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/engine/plan/forecast"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/policies/rules"
)

// Vouches says what of Operations may be believed, because the API server sees to it.
type Vouches struct {
	Requester bool `json:"requester"`
	Source    bool `json:"source"`
	Approvals bool `json:"approvals"`
	Overrides bool `json:"overrides"`
	// Since when: what an Operation said when it was made before is not vouched for.
	Since time.Time `json:"since,omitzero"`
}

// of an Operation that was made at a time. Times of the API server are whole seconds.
func (v *Vouches) of(made time.Time) explain.Vouches {
	switch {
	case v == nil:
		// Nobody could look; what the objects say is taken for what it is.
		return explain.Vouches{Requester: true, Source: true, Approvals: true, Overrides: true}
	case !made.IsZero() && made.Before(v.Since.Truncate(time.Second)):
		return explain.Vouches{}
	}
	return explain.Vouches{Requester: v.Requester, Source: v.Source, Approvals: v.Approvals, Overrides: v.Overrides}
}

// Judges compiles policies, in the order of their names. One that does not compile judges too: it holds
// what it matches.
func Judges(policies []*v1alpha1.Policy) []ledger.Policy {
	compiled := Compiled(policies)
	judges := make([]ledger.Policy, 0, len(compiled))
	for _, policy := range compiled {
		judges = append(judges, policy)
	}
	return judges
}

// Compiled policies, in the order of their names.
func Compiled(policies []*v1alpha1.Policy) []*rules.Policy {
	compiled := make([]*rules.Policy, 0, len(policies))
	for _, policy := range policies {
		if policy.DeletionTimestamp != nil {
			continue
		}
		// A selector that cannot be read matches everything here, which the API server lets nobody write.
		source, _ := tree.PolicySource(policy)
		one, _ := rules.Compile(source)
		compiled = append(compiled, one)
	}
	slices.SortFunc(compiled, func(a, b *rules.Policy) int { return strings.Compare(a.Name(), b.Name()) })
	return compiled
}

// Explaining is the World as Operations are explained by.
func (w *World) Explaining(at time.Time) *explain.World {
	return &explain.World{
		Now: at, Fleets: w.Fleets, Datacenters: w.Datacenters, Profiles: w.Profiles, Servers: w.Servers, Groups: w.Groups,
		Operations: w.Operations, Policies: Judges(w.Policies), Hooks: w.Hooks, Hash: w.hash, Vouches: w.Vouches.of,
		Expected: expected,
	}
}

// expected is how long an Operation likely takes, as the gate takes it.
func expected(op *v1alpha1.Operation) time.Duration {
	if op.Spec.Operation == v1alpha1.ActionRepave {
		return forecast.AssumedRepave.Likely
	}
	return forecast.AssumedOther.Likely
}
