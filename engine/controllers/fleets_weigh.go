package controllers

import (
	"context"
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/fleet"
	"stargate.io/stargate/engine/plan"
	"stargate.io/stargate/engine/profile"
	"stargate.io/stargate/engine/rollout"
	"stargate.io/stargate/gitsync/apply"
	"stargate.io/stargate/gitsync/tree"
)

// weighing is one look at what a commit would do to the cluster as it is.
type weighing struct {
	fleet   *v1alpha1.Fleet
	objects *tree.Tree
	live    plan.State
	all     apply.Live
	after   plan.State
	hashes  plan.Hashes
}

// weigh forecasts what a commit would do, and asks the guard.
func (r *Fleets) weigh(ctx context.Context, object *v1alpha1.Fleet, c *course, commit string) error {
	read, objects := c.read(commit)
	if objects == nil {
		return fmt.Errorf("weighing %s: it was not read", commit)
	}
	forecast := &fleet.Forecast{Refusal: r.outside(object, objects)}
	if forecast.Refusal == nil {
		w, err := r.weighing(ctx, object, objects)
		if err != nil {
			return err
		}
		changes, err := r.changes(ctx, w, c, w.releases(c, object.Status.Applies+1))
		if err != nil {
			c.failed(object, applyFailure(err, commit, r.clock.Now()))
			return nil
		}
		*forecast = w.ask(read, &changes)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known.Forecasts[commit] = forecast
	c.well(commit)
	return nil
}

// ask the guard.
func (w *weighing) ask(read *fleet.Commit, changes *apply.Plan) fleet.Forecast {
	repaves, servers := len(w.repaves()), 0
	for _, server := range w.after.Servers {
		if server.Labels[v1alpha1.LabelFleet] == w.fleet.Name {
			servers++
		}
	}
	deletes := len(changes.Prunes)
	moves := plan.Moved(w.live, w.after)
	verdict := plan.GuardVerdict(&w.fleet.Spec.Guard, w.objects.Guard, repaves, deletes, servers, read.Objects+deletes).With(moves)
	forecast := fleet.Forecast{Repaves: repaves, Deletes: deletes, Changes: len(changes.Changes), Allowed: verdict.Allowed, Message: verdict.Message,
		Observed: strconv.Itoa(repaves), Limit: strconv.Itoa(verdict.MaxRepaves)}
	switch {
	case repaves > verdict.MaxRepaves:
	case deletes <= verdict.MaxDeletes && len(moves) > 0:
		forecast.Observed, forecast.Limit = strconv.Itoa(len(moves)), "0"
	default:
		forecast.Observed, forecast.Limit = strconv.Itoa(deletes), strconv.Itoa(verdict.MaxDeletes)
	}
	if len(changes.Refused) > 0 {
		problems := make([]tree.Problem, 0, len(changes.Refused))
		for _, refused := range changes.Refused {
			problems = append(problems, tree.Problem{Place: refused.Place, Object: refused.Key.String(), Message: refused.Message, Mend: refused.Mend})
		}
		forecast.Refusal = refusalOf(problems)
	}
	return forecast
}

// outside refuses what this process does not look after: it would never see whether it is in.
func (r *Fleets) outside(object *v1alpha1.Fleet, objects *tree.Tree) *fleet.Refusal {
	if len(r.scope.Names) == 0 {
		return nil
	}
	var problems []tree.Problem
	for _, each := range objects.Objects {
		if namespace := each.Content.GetNamespace(); namespace != "" && !contains(r.scope.Names, namespace) {
			problems = append(problems, tree.Problem{Place: each.Place, Object: each.Key().String(),
				Message: fmt.Sprintf("namespace %s is not one that this controller looks after", namespace),
				Mend:    fmt.Sprintf("add it to --namespaces, or have another controller work fleet %s", object.Name)})
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return refusalOf(problems)
}

// weighing reads the cluster as the caches show it. Nothing in it may be changed.
func (r *Fleets) weighing(ctx context.Context, object *v1alpha1.Fleet, objects *tree.Tree) (*weighing, error) {
	w := &weighing{fleet: object, objects: objects}
	var (
		servers     v1alpha1.ServerList
		groups      v1alpha1.ServerGroupList
		profiles    v1alpha1.ProvisioningProfileList
		datacenters v1alpha1.DatacenterList
		policies    v1alpha1.PolicyList
		hooks       v1alpha1.HookList
	)
	for _, list := range []client.ObjectList{&servers, &groups, &profiles, &datacenters, &policies, &hooks} {
		if err := r.client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("reading what fleet %s is compared with: %w", object.Name, err)
		}
	}
	w.live = plan.State{Servers: pointers(servers.Items), Groups: pointers(groups.Items), Profiles: pointers(profiles.Items), Datacenters: pointers(datacenters.Items)}
	add(&w.all, w.live.Servers)
	add(&w.all, w.live.Groups)
	add(&w.all, w.live.Profiles)
	add(&w.all, w.live.Datacenters)
	add(&w.all, pointers(policies.Items))
	add(&w.all, pointers(hooks.Items))
	w.after = plan.After(w.live, objects, object.Name, object.Spec.Prune)
	w.hashes = func(p *v1alpha1.ProvisioningProfile) (string, bool) {
		documents, problem := readDocuments(ctx, r.sites, p)
		if problem != nil {
			return "", false
		}
		return profile.Hash(&p.Spec, documents), true
	}
	return w, nil
}

func pointers[T any](items []T) []*T {
	all := make([]*T, len(items))
	for i := range items {
		all[i] = &items[i]
	}
	return all
}

func add[T apply.Object](live *apply.Live, objects []T) {
	for _, object := range objects {
		live.Add(object)
	}
}

// repaves that follow from the commit.
func (w *weighing) repaves() []plan.Repave {
	return plan.Repaves(plan.Whole(w.live, w.fleet.Name, w.fleet.Status.Applies), w.after, w.hashes)
}

// stamp of a group, and why the group is sent for it; empty for none.
type stamp struct{ released, why string }

// releases are the stamps of the groups. One whose group follows the same profile and takes the same
// servers as before stays as it is: it was counted by the rollout already.
func (w *weighing) releases(c *course, number int64) map[tree.Key]stamp {
	profiles := map[types.NamespacedName]*v1alpha1.ProvisioningProfile{}
	for _, p := range w.after.Profiles {
		profiles[client.ObjectKeyFromObject(p)] = p
	}
	members := map[string][]*v1alpha1.Server{}
	for _, server := range w.objects.Servers() {
		members[server.Namespace] = append(members[server.Namespace], server)
	}
	var byGroup map[types.NamespacedName]int
	stamps := map[tree.Key]stamp{}
	for _, each := range w.objects.Objects {
		group, ok := each.Typed.(*v1alpha1.ServerGroup)
		if !ok {
			continue
		}
		of := profiles[types.NamespacedName{Namespace: group.Namespace, Name: group.Spec.ProvisioningProfileRef.Name}]
		release := rollout.ReleaseOf(group, of, members[group.Namespace], number)
		live, _ := w.all.Get(each.Key()).(*v1alpha1.ServerGroup)
		if live != nil {
			has, err := rollout.ParseRelease(live.Annotations[v1alpha1.AnnotationReleased])
			if err == nil && has.Inputs == release.Inputs && has.Members == release.Members {
				stamps[each.Key()] = stamp{released: has.String()}
				continue
			}
		}
		if byGroup == nil {
			byGroup = w.byGroup()
		}
		release.Repaves = w.letPass(c, live, of, number, byGroup[client.ObjectKeyFromObject(group)])
		stamps[each.Key()] = stamp{released: release.String(), why: "the profile that it follows, or the servers that it takes, changed"}
	}
	return stamps
}

func (w *weighing) byGroup() map[types.NamespacedName]int {
	counts := map[types.NamespacedName]int{}
	for _, repave := range w.repaves() {
		counts[types.NamespacedName{Namespace: repave.Namespace, Name: repave.Group}]++
	}
	return counts
}

// letPass tells how many repaves a stamp releases: those that follow from the commit, and what is left of
// an earlier release where the revision goes on. Where somebody changed a group of a commit that is in
// already, nothing more is released than was.
func (w *weighing) letPass(c *course, live *v1alpha1.ServerGroup, of *v1alpha1.ProvisioningProfile, number int64, follow int) int32 {
	left := 0
	if live != nil && of != nil {
		revision := &live.Status.Revision
		if hash, known := w.hashes(of); known && hash == revision.ProfileHash {
			left = max(int(revision.Released)-int(revision.Made), 0)
		}
	}
	if number <= w.fleet.Status.Applies {
		follow = 0
		if live != nil && live.Status.Revision.Apply < number {
			follow = int(c.released(client.ObjectKeyFromObject(live), number))
		}
	}
	return int32(min(follow+left, 1<<30))
}

// changes that bring the cluster to the commit.
func (r *Fleets) changes(ctx context.Context, w *weighing, c *course, stamps map[tree.Key]stamp) (apply.Plan, error) {
	desired := make([]apply.Desired, len(w.objects.Objects))
	for i, object := range w.objects.Objects {
		desired[i] = apply.Desired{Object: object, Restamp: stamps[object.Key()].why}
	}
	if err := apply.Gather(ctx, r.live, w.fleet.Name, desired, w.fleet.Spec.AllowKinds, &w.all); err != nil {
		return apply.Plan{}, err
	}
	return apply.Changes(desired, w.all, apply.Options{Fleet: w.fleet.Name, Prune: w.fleet.Spec.Prune, Memo: &c.memo}), nil
}

// sum up what a commit holds.
func sum(commit *fleet.Commit, objects *tree.Tree, prune bool) {
	desired := make([]apply.Desired, len(objects.Objects))
	for i, object := range objects.Objects {
		desired[i].Object = object
	}
	inventory := apply.Changes(desired, apply.Live{}, apply.Options{}).Inventory
	commit.Digest, commit.Objects, commit.Kinds = inventory.Digest, int(inventory.Objects), inventory.Kinds
	if prune {
		// To begin to prune is a change that the guard looks at.
		commit.Digest += "+prune"
	}
}
