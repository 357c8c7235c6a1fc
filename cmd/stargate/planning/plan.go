package planning

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/engine/plan"
	"stargate.io/stargate/engine/plan/forecast"
	"stargate.io/stargate/engine/profile"
	"stargate.io/stargate/engine/rollout"
	"stargate.io/stargate/gitsync/apply"
	"stargate.io/stargate/gitsync/grammar"
	"stargate.io/stargate/gitsync/tree"
)

// Options of a plan.
type Options struct {
	World *World
	Read  *Read
	// Fleet that the commit is of.
	Fleet *v1alpha1.Fleet
	// At is when it would be applied.
	At time.Time
	// Schemas of our kinds, and ForbidNamespaces, as at a sync.
	Schemas          *tree.Schemas
	ForbidNamespaces []string
	// Forecast tells whether times are wanted; without, only objects are compared.
	Forecast bool
	// Progress, where it is not nil, is told how many repaves have ended on the virtual clock.
	Progress func(ended int)
}

// Problems of a commit, all at once: nothing of it would be applied.
type Problems struct {
	// Revision that has them.
	Revision string
	List     []tree.Problem
}

// Error lists them, as compilers do.
func (p *Problems) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: nothing of it would be applied:", p.Revision)
	for _, problem := range p.List {
		b.WriteString("\n  " + problem.String())
	}
	return b.String()
}

// FleetOf chooses the fleet: the one that is named, or the only one. One that is named and does not live
// yet is taken as it would be made: with the default guard, and nothing pruned.
func FleetOf(w *World, name string) (fleet *v1alpha1.Fleet, lives bool, err error) {
	var names []string
	for _, each := range w.Fleets {
		if each.Name == name || name == "" && len(w.Fleets) == 1 {
			return each, true, nil
		}
		names = append(names, each.Name)
	}
	slices.Sort(names)
	switch {
	case name != "":
		made := &v1alpha1.Fleet{}
		made.Name = name
		return made, false, nil
	case len(names) == 0:
		return nil, false, errors.New("there is no Fleet: say which one the commit would be of with --fleet NAME")
	}
	return nil, false, fmt.Errorf("there are %d Fleets (%s): say which one the commit is of with --fleet", len(names), strings.Join(names, ", "))
}

// course of one plan.
type course struct {
	Options
	tree          *tree.Tree
	before, after plan.State
	world         *World // as it is taken to be before the commit
	changes       apply.Plan
	repaves       []plan.Repave
	stamps        map[objectKey]rollout.Release
	verdict       plan.Verdict
	deletes       int
	report        *Report
}

type objectKey struct{ namespace, name string }

// Plan tells what would follow from a commit. A *Problems error lists what is wrong with it.
func Plan(o Options) (*Report, error) {
	c := &course{Options: o, world: o.World}
	c.report = &Report{
		Header: render.HeaderOf("Plan"), Fleet: o.Fleet.Name, Revision: o.Read.Name, Commit: o.Read.Commit, Author: o.Read.Author,
		Subject: o.Read.Subject, Files: len(o.Read.Files), At: o.At, LiveAt: o.World.TakenAt,
		Repaves: []Repave{}, Groups: []Group{},
	}
	if o.Read.Base != nil {
		c.report.Files = o.Read.Differing
	}
	if err := c.read(); err != nil {
		return nil, err
	}
	c.compare()
	c.weigh()
	c.tellObjects()
	c.tellRepaves()
	c.tellGuard()
	if o.Forecast {
		c.tellHooks()
		c.foresee()
	}
	c.tellNotes()
	return c.report, nil
}

// read the commit, and what it builds on.
func (c *course) read() error {
	var err error
	if c.tree, err = c.treeOf(c.Read.Name, c.Read.Files); err != nil {
		return err
	}
	lives := *c.World
	lives.Profiles = restore(lives.Profiles, c.tree.Profiles())
	c.world = &lives
	c.before = lives.state()
	if c.Read.Base != nil {
		base, err := c.treeOf("the beginning of "+c.Read.Name, c.Read.Base)
		if err != nil {
			return err
		}
		c.before = plan.After(c.before, base, c.Fleet.Name, true)
		c.asApplied(base)
	}
	c.after = plan.After(c.before, c.tree, c.Fleet.Name, c.Fleet.Spec.Prune)
	return nil
}

func (c *course) treeOf(name string, files []tree.File) (*tree.Tree, error) {
	t, problems := tree.Read(files, tree.Options{
		Fleet: c.Fleet.Name, AllowKinds: c.Fleet.Spec.AllowKinds, ForbidNamespaces: c.ForbidNamespaces, Schemas: c.Schemas,
		CheckProfile: func(p *v1alpha1.ProvisioningProfile) error { return profile.Check(&p.Spec) },
		CheckPolicy:  grammar.Policy, CheckHook: grammar.Hook,
	})
	if len(problems) > 0 {
		return nil, &Problems{Revision: name, List: problems}
	}
	return t, nil
}

// asApplied makes what lives look as if the beginning of the range had just been applied, policies and
// hooks included.
func (c *course) asApplied(base *tree.Tree) {
	c.world.Policies = overlaid(c.world.Policies, base.Policies())
	c.world.Hooks = overlaid(c.world.Hooks, base.Hooks())
	c.world.Servers, c.world.Groups, c.world.Profiles, c.world.Datacenters = c.before.Servers, c.before.Groups, c.before.Profiles, c.before.Datacenters
	for _, policy := range c.world.Policies {
		mark(policy, c.Fleet.Name)
	}
	for _, hook := range c.world.Hooks {
		mark(hook, c.Fleet.Name)
	}
	for _, server := range c.world.Servers {
		mark(server, c.Fleet.Name)
	}
	for _, group := range c.world.Groups {
		mark(group, c.Fleet.Name)
	}
	for _, profile := range c.world.Profiles {
		mark(profile, c.Fleet.Name)
	}
	for _, dc := range c.world.Datacenters {
		mark(dc, c.Fleet.Name)
	}
}

// compare what the commit says with what lives.
func (c *course) compare() {
	c.repaves = plan.Repaves(plan.Whole(c.before, c.Fleet.Name, c.Fleet.Status.Applies), c.after, c.world.hash)
	c.stamps = c.releases()
	desired := make([]apply.Desired, 0, len(c.tree.Objects))
	foreign := map[string]int{}
	for _, object := range c.tree.Objects {
		if object.Typed == nil {
			foreign[object.Key().Kind.Kind]++
			continue
		}
		desired = append(desired, apply.Desired{Object: object, Restamp: c.restamp(object)})
	}
	c.noteForeign(foreign)
	c.changes = apply.Changes(desired, c.world.live(), apply.Options{Fleet: c.Fleet.Name, Prune: c.Fleet.Spec.Prune})
	if c.Read.Base != nil {
		// The beginning of the range was never sent, so that its digest says nothing: the fields do.
		c.changes.Changes = slices.DeleteFunc(c.changes.Changes, func(change apply.Change) bool {
			same := change.Action == apply.Update && len(change.Fields) == 0 && change.Cause != apply.CauseRestamp
			if same {
				c.changes.Unchanged++
			}
			return same
		})
	}
}

// weigh asks the guard.
func (c *course) weigh() {
	servers, ours := 0, 0
	for _, server := range c.after.Servers {
		if server.Labels[v1alpha1.LabelFleet] == c.Fleet.Name {
			servers++
		}
	}
	c.world.eachOf(c.Fleet.Name, func() { ours++ })
	c.deletes = len(c.changes.Prunes) + len(c.changes.Waiting)
	c.verdict = plan.GuardVerdict(&c.Fleet.Spec.Guard, c.tree.Guard, len(c.repaves), c.deletes, servers, max(len(c.tree.Objects), ours)).With(plan.Moved(c.before, c.after))
}

// foresee runs the rollouts.
func (c *course) foresee() {
	number := c.Fleet.Status.Applies + 1
	fleet := c.Fleet.DeepCopy()
	fleet.Status.Applies, fleet.Status.Applying = number, nil
	fleets := []*v1alpha1.Fleet{fleet}
	for _, other := range c.World.Fleets {
		if other.Name != fleet.Name {
			fleets = append(fleets, other)
		}
	}
	site := forecast.SiteOf(c.after.Datacenters)
	servers := map[objectKey]*v1alpha1.Server{}
	for _, server := range c.World.Servers {
		servers[objectKey{server.Namespace, server.Name}] = server
	}
	durations := forecast.DurationsOf(c.World.Operations, func(op *v1alpha1.Operation) forecast.SiteKey {
		if server := servers[objectKey{op.Namespace, op.Spec.ServerRef.Name}]; server != nil {
			return site(server)
		}
		return forecast.SiteKey{Namespace: op.Namespace}
	})
	c.tellTimes(forecast.Forecast(forecast.Input{
		Now: c.At, Servers: c.after.Servers, Groups: c.stamped(), Profiles: c.after.Profiles, Datacenters: c.after.Datacenters,
		Fleets: fleets, Operations: c.World.counted(), Policies: Judges(c.policies()), Vouch: c.World.vouch, Hash: c.world.hash, Durations: durations, Progress: c.Progress,
	}))
}

// policies that will be in force: those of the commit, and what lives that is not the fleet's.
func (c *course) policies() []*v1alpha1.Policy {
	policies := c.tree.Policies()
	named := map[string]bool{}
	for _, policy := range policies {
		named[policy.Name] = true
	}
	for _, policy := range c.world.Policies {
		pruned := c.Fleet.Spec.Prune && policy.Labels[v1alpha1.LabelFleet] == c.Fleet.Name
		if !named[policy.Name] && !pruned {
			policies = append(policies, policy)
		}
	}
	return policies
}
