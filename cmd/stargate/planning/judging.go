package planning

import (
	"slices"
	"strings"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/explain"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/engine/plan"
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
		Expected: forecast.ExpectedOf,
	}
}

// vouch tells a forecast what admission vouches for.
func (w *World) vouch(s *ledger.Subject) {
	v := w.Vouches.of(s.Operation.CreationTimestamp.Time)
	s.Requester, s.Source, s.Approvals = v.Requester, v.Source, v.Approvals
}

// counted Operations of a forecast: those that have not ended, and those that failed, which policies count.
func (w *World) counted() []*v1alpha1.Operation {
	var counted []*v1alpha1.Operation
	for _, op := range w.Operations {
		if !op.Status.Phase.Terminal() || op.Status.Phase == v1alpha1.OperationFailed {
			counted = append(counted, op)
		}
	}
	return counted
}

// tellHooks names the hooks that run for some of the repaves: those of the commit, and what lives that
// is not the fleet's.
func (c *course) tellHooks() {
	hooks := c.tree.Hooks()
	for _, hook := range c.world.Hooks {
		if !slices.ContainsFunc(hooks, func(h *v1alpha1.Hook) bool { return h.Name == hook.Name }) &&
			(!c.Fleet.Spec.Prune || hook.Labels[v1alpha1.LabelFleet] != c.Fleet.Name) {
			hooks = append(hooks, hook)
		}
	}
	servers := map[objectKey]*v1alpha1.Server{}
	for _, server := range c.after.Servers {
		servers[objectKey{server.Namespace, server.Name}] = server
	}
	slices.SortFunc(hooks, func(a, b *v1alpha1.Hook) int { return strings.Compare(a.Name, b.Name) })
	for _, hook := range hooks {
		if slices.ContainsFunc(c.repaves, func(r plan.Repave) bool {
			server := servers[objectKey{r.Namespace, r.Server}]
			return server != nil && explain.Matches(&hook.Spec.Match, c.subject(&r, server))
		}) {
			c.report.Hooks = append(c.report.Hooks, Hook{Name: hook.Name, When: string(hook.Spec.When)})
		}
	}
}

// subject of a repave that a rollout would make.
func (c *course) subject(r *plan.Repave, server *v1alpha1.Server) *explain.Subject {
	op := &v1alpha1.Operation{}
	op.Namespace, op.Labels = r.Namespace, map[string]string{v1alpha1.LabelGroup: r.Group}
	op.Spec.Operation, op.Spec.ProvisioningProfileRef = v1alpha1.ActionRepave, &v1alpha1.LocalReference{Name: r.Profile}
	s := &explain.Subject{Operation: op, Server: server}
	if at := forecast.SiteOf(c.after.Datacenters)(server); at.Name != "" {
		s.Datacenter = &v1alpha1.Datacenter{}
		s.Datacenter.Name = at.Name
	}
	return s
}
