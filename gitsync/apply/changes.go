package apply

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/tree"
)

// Desired is an object that should be.
type Desired struct {
	// Object of the commit. It must not be changed after it was first given to Changes.
	Object *tree.Object
	// Restamp says why the object is sent although its content is as it should be, for example
	// "the profile it follows changed". Empty where it needs not be.
	Restamp string
}

// Options of a comparison.
type Options struct {
	// Fleet that the objects are of, by name.
	Fleet string
	// Prune what is the fleet's and not desired any more. Otherwise it is told, and left.
	Prune bool
	// Memo of what was compared before; nil remembers nothing.
	Memo *Memo
}

// Action on an object.
type Action string

// The actions.
const (
	Create Action = "Create"
	Update Action = "Update"
)

// Cause of an update.
type Cause string

// The causes of an update, the weightiest first.
const (
	// CauseContent: the commit says something else than what was last applied.
	CauseContent Cause = "Content"
	// CauseDrift: somebody changed what the commit says, and it is put back.
	CauseDrift Cause = "Drift"
	// CauseRestamp: nothing of it changed, but what it goes by did: Desired.Restamp says what.
	CauseRestamp Cause = "Restamp"
)

// Change that is to be made to one object.
type Change struct {
	tree.Key
	tree.Place
	Action Action
	// Cause, and Why for a person where the cause is CauseRestamp. Empty for what is created.
	Cause Cause
	Why   string
	// Fields that differ, by path.
	Fields []Field
	// Deleting: the live object is on its way out; it can only be applied once it is gone.
	Deleting bool
	// Typed is the desired object, one of our kinds with its defaults; nil for the others.
	Typed any

	source *tree.Object
	digest string
	uid    types.UID
	// stamps on the live object: one that is not renewed is emptied, whoever wrote it.
	stamps []string
}

// Field that differs.
type Field struct {
	// Path such as "spec.osVersion" or "spec.rollout.waves[r1].size".
	Path string
	// Old and New as text; empty where there is none. What may be secret is never quoted.
	Old, New string
}

// Prune is an object that left the commit.
type Prune struct {
	tree.Key
	// Reason why it waits or is left, for a person; empty where it is deleted.
	Reason string

	uid             types.UID
	resourceVersion string
}

// Refusal of an object that may not be applied.
type Refusal struct {
	tree.Key
	tree.Place
	// Owner is the fleet that the live object is of.
	Owner string
	// Message says what is wrong, and Mend what to do about it.
	Message, Mend string
}

// Plan says what becomes of each object.
type Plan struct {
	// Fleet that it is for.
	Fleet string
	// Changes in the order in which they are made.
	Changes []Change
	// Prunes in the order in which they are made: that of apply, reversed.
	Prunes []Prune
	// Waiting to be pruned until an Operation ends. The commit is whole without them.
	Waiting []Prune
	// Left behind: what is not desired any more and stays.
	Left []Prune
	// Refused objects. While there are any, nothing is applied.
	Refused []Refusal
	// Unchanged counts the objects that are as they should be.
	Unchanged int
	// Inventory of all that is desired.
	Inventory v1alpha1.FleetInventory
}

// Empty tells whether there is nothing to do.
func (p *Plan) Empty() bool {
	return len(p.Changes) == 0 && len(p.Prunes) == 0 && len(p.Refused) == 0
}

// Count changes by action.
func (p *Plan) Count(action Action) int {
	n := 0
	for i := range p.Changes {
		if p.Changes[i].Action == action {
			n++
		}
	}
	return n
}

// Changes tells what is to be done for the live objects to be as desired. Nothing is asked of the API
// server: an object is unchanged where its annotation stargate.io/digest says that this very content was
// sent, and all that the content says is still so. What others set beside it is theirs.
func Changes(desired []Desired, live Live, o Options) Plan {
	plan := Plan{Fleet: o.Fleet}
	memo := o.Memo.begin()
	defer memo.end()
	sum := newInventory()
	wanted := make(map[tree.Key]struct{}, len(desired))
	for i := range desired {
		d := &desired[i]
		is := memo.of(d.Object)
		wanted[is.key] = struct{}{}
		sum.add(is)
		plan.judge(d, is, live.objects[is.key], memo)
	}
	slices.SortStableFunc(plan.Changes, func(a, b Change) int { return compareKeys(a.Key, b.Key) })
	plan.Inventory = sum.inventory()
	plan.prunes(wanted, live, o)
	return plan
}

// judge one object.
func (p *Plan) judge(d *Desired, is content, live Object, memo *memory) {
	change := Change{
		Key: is.key, Place: d.Object.Place, Action: Create, Typed: d.Object.Typed, source: d.Object, digest: is.digest,
	}
	if live == nil {
		p.Changes = append(p.Changes, change)
		return
	}
	if owner := live.GetLabels()[v1alpha1.LabelFleet]; owner != "" && owner != p.Fleet {
		p.Refused = append(p.Refused, taken(is.key, d.Object.Place, owner))
		return
	}
	change.Deleting = live.GetDeletionTimestamp() != nil
	mustBeSent := d.Restamp != "" || change.Deleting
	if !mustBeSent && memo.same(live, is.digest) {
		p.Unchanged++
		return
	}
	change.Cause, change.Fields = compare(d.Object, is.digest, live, p.Fleet)
	if change.Cause == "" && !mustBeSent {
		memo.remember(live, is.digest)
		p.Unchanged++
		return
	}
	if change.Cause == "" && d.Restamp != "" {
		change.Cause, change.Why = CauseRestamp, d.Restamp
	}
	change.Action, change.uid, change.stamps = Update, live.GetUID(), stampsOn(live)
	p.Changes = append(p.Changes, change)
}

// taken by another fleet.
func taken(key tree.Key, place tree.Place, owner string) Refusal {
	return Refusal{
		Key: key, Place: place, Owner: owner,
		Message: "it is of the fleet " + quoted(owner) + ", and an object has one fleet",
		Mend:    "remove it from one of the two repositories; to move it, let the fleet " + quoted(owner) + " prune it first",
	}
}

// order in which kinds are applied: what is referred to before what refers to it, and groups, which start
// something, last.
var order = []string{
	"Namespace", "Secret", "ConfigMap", "Policy", "Hook", "Datacenter", "ProvisioningProfile", "Server", "ServerGroup",
}

// ranks of the kinds in that order.
var ranks = func() map[string]int {
	all := map[string]int{}
	for i, kind := range order {
		all[kind] = i
	}
	return all
}()

func compareKeys(a, b tree.Key) int {
	return cmp.Or(
		cmp.Compare(ranks[a.Kind.Kind], ranks[b.Kind.Kind]),
		cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
