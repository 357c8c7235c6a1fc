package plan

import (
	"cmp"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/tree"
)

// State is what a fleet consists of, as far as repaves go. The objects are shared, and are not to be
// changed.
type State struct {
	Servers     []*v1alpha1.Server
	Groups      []*v1alpha1.ServerGroup
	Profiles    []*v1alpha1.ProvisioningProfile
	Datacenters []*v1alpha1.Datacenter
}

// After gives what would live once the tree of a commit is applied for a fleet: its objects, with the
// status of those that live, and what is not the fleet's. With prune the fleet's objects that the tree
// does not have leave, but for Servers that an Operation has: those stay until it ends. The result is
// in the order of namespace and name.
func After(live State, t *tree.Tree, fleet string, prune bool) State {
	overlay := overlay{fleet: fleet, prune: prune}
	servers, groups, profiles, datacenters := said[*v1alpha1.Server](t), said[*v1alpha1.ServerGroup](t), said[*v1alpha1.ProvisioningProfile](t), said[*v1alpha1.Datacenter](t)
	return State{
		Servers:     lay(overlay, live.Servers, servers, (*v1alpha1.Server).DeepCopy, keepServer),
		Groups:      lay(overlay, live.Groups, groups, (*v1alpha1.ServerGroup).DeepCopy, keepGroup),
		Profiles:    lay(overlay, live.Profiles, profiles, (*v1alpha1.ProvisioningProfile).DeepCopy, keepProfile),
		Datacenters: lay(overlay, live.Datacenters, datacenters, (*v1alpha1.Datacenter).DeepCopy, keepDatacenter),
	}
}

// item is an object of the tree.
type item[T metav1.Object] struct {
	typed T
	// says what the commit has written there: a field that it does not name is not the commit's.
	says map[string]any
}

// said gives the tree's objects of a kind.
func said[T metav1.Object](t *tree.Tree) []item[T] {
	var items []item[T]
	for _, object := range t.Objects {
		if typed, ok := object.Typed.(T); ok {
			items = append(items, item[T]{typed: typed, says: object.Content.Object})
		}
	}
	return items
}

type overlay struct {
	fleet string
	prune bool
}

type key struct{ namespace, name string }

func keyOf(object metav1.Object) key {
	return key{namespace: object.GetNamespace(), name: object.GetName()}
}

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.name, b.name))
}

// lay the tree's objects of a kind over those that live.
func lay[T metav1.Object](o overlay, live []T, items []item[T], copied func(T) T, keep func(after, live T, says map[string]any)) []T {
	byKey := make(map[key]T, len(live))
	for _, object := range live {
		byKey[keyOf(object)] = object
	}
	after := make([]T, 0, len(live)+len(items))
	for _, item := range items {
		object, at := copied(item.typed), keyOf(item.typed)
		if lives, found := byKey[at]; found {
			keepMeta(object, lives, o.fleet)
			keep(object, lives, item.says)
			delete(byKey, at)
		}
		mark(object, o.fleet)
		after = append(after, object)
	}
	for _, object := range byKey {
		if !o.leaves(object) {
			after = append(after, object)
		}
	}
	slices.SortFunc(after, func(a, b T) int { return compareKeys(keyOf(a), keyOf(b)) })
	return after
}

// leaves tells whether an object that the tree does not have is pruned.
func (o overlay) leaves(object metav1.Object) bool {
	if !o.prune || object.GetLabels()[v1alpha1.LabelFleet] != o.fleet {
		return false
	}
	server, is := object.(*v1alpha1.Server)
	return !is || server.Status.ActiveOperation == nil
}

// mark says whose the object is, as every apply does.
func mark(object metav1.Object, fleet string) {
	labels := maps.Clone(object.GetLabels())
	if labels == nil {
		labels = map[string]string{}
	}
	labels[v1alpha1.LabelFleet] = fleet
	object.SetLabels(labels)
	if annotations := object.GetAnnotations(); annotations[v1alpha1.AnnotationLabels] != "" {
		// It speaks of the commit before.
		annotations = maps.Clone(annotations)
		delete(annotations, v1alpha1.AnnotationLabels)
		object.SetAnnotations(annotations)
	}
}

// keepMeta keeps what is the cluster's own, and what others wrote.
func keepMeta(after, live metav1.Object, fleet string) {
	after.SetUID(live.GetUID())
	after.SetResourceVersion(live.GetResourceVersion())
	after.SetGeneration(live.GetGeneration())
	after.SetCreationTimestamp(live.GetCreationTimestamp())
	after.SetDeletionTimestamp(live.GetDeletionTimestamp())
	after.SetFinalizers(live.GetFinalizers())
	after.SetManagedFields(live.GetManagedFields())
	owned := ownedBy(live)
	// What a fleet has just taken over was all written by others.
	foreign := live.GetLabels()[v1alpha1.LabelFleet] != fleet
	after.SetLabels(keepWords(after.GetLabels(), live.GetLabels(), func(name string) bool {
		return foreign || owned.others("f:metadata", "f:labels", "f:"+name)
	}))
	after.SetAnnotations(keepWords(after.GetAnnotations(), live.GetAnnotations(), func(string) bool { return true }))
}

// keepWords gives after with those of live that it does not name and that are kept.
func keepWords(after, live map[string]string, kept func(string) bool) map[string]string {
	words := maps.Clone(after)
	for name, value := range live {
		if _, named := words[name]; named || !kept(name) {
			continue
		}
		if words == nil {
			words = map[string]string{}
		}
		words[name] = value
	}
	return words
}

func keepServer(after, live *v1alpha1.Server, says map[string]any) {
	after.Status = live.Status
	owned := ownedBy(live)
	if !names(says, "spec", "paused") && !owned.fleets("f:spec", "f:paused") {
		after.Spec.Paused = live.Spec.Paused
	}
	if !names(says, "spec", "maintenance") && !owned.fleets("f:spec", "f:maintenance") {
		after.Spec.Maintenance = live.Spec.Maintenance
	}
	if !names(says, "spec", "reason") && !owned.fleets("f:spec", "f:reason") {
		after.Spec.Reason = live.Spec.Reason
	}
}

func keepGroup(after, live *v1alpha1.ServerGroup, says map[string]any) {
	after.Status = live.Status
	owned := ownedBy(live)
	rollout, lives := &after.Spec.Rollout, &live.Spec.Rollout
	if !names(says, "spec", "rollout", "paused") && !owned.fleets("f:spec", "f:rollout", "f:paused") {
		rollout.Paused, rollout.PausedUntil, rollout.Reason = lives.Paused, lives.PausedUntil, lives.Reason
	}
}

func keepProfile(after, live *v1alpha1.ProvisioningProfile, _ map[string]any) {
	after.Status = live.Status
}

func keepDatacenter(after, live *v1alpha1.Datacenter, _ map[string]any) { after.Status = live.Status }

// names tells whether a commit has written something at the path.
func names(says map[string]any, path ...string) bool {
	for _, step := range path[:len(path)-1] {
		within, ok := says[step].(map[string]any)
		if !ok {
			return false
		}
		says = within
	}
	_, named := says[path[len(path)-1]]
	return named
}
