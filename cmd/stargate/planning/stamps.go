package planning

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
	"stargate.io/stargate/gitsync/apply"
	"stargate.io/stargate/gitsync/tree"
)

// mark an object as the fleet's, with a digest that no content has: what of it the commit no longer says
// is then told.
func mark(object metav1.Object, fleet string) {
	if object.GetLabels()[v1alpha1.LabelFleet] != fleet {
		return
	}
	annotations := map[string]string{}
	for key, value := range object.GetAnnotations() {
		annotations[key] = value
	}
	annotations[apply.AnnotationDigest] = "range-range"
	object.SetAnnotations(annotations)
}

// overlaid gives what lives with the commit's objects in their place. Those of the commit are copied.
func overlaid[T interface {
	metav1.Object
	DeepCopy() T
}](live, said []T) []T {
	all := map[string]int{}
	objects := make([]T, 0, len(live)+len(said))
	for _, object := range live {
		all[object.GetName()] = len(objects)
		objects = append(objects, object.DeepCopy())
	}
	for _, object := range said {
		at, lives := all[object.GetName()]
		made := object.DeepCopy()
		if lives {
			made.SetLabels(merged(objects[at].GetLabels(), object.GetLabels()))
			objects[at] = made
			continue
		}
		objects = append(objects, made)
	}
	return objects
}

func merged(a, b map[string]string) map[string]string {
	all := map[string]string{}
	for key, value := range a {
		all[key] = value
	}
	for key, value := range b {
		all[key] = value
	}
	return all
}

// eachOf calls see for every live object of a fleet.
func (w *World) eachOf(fleet string, see func()) {
	count := func(meta *metav1.ObjectMeta) {
		if meta.Labels[v1alpha1.LabelFleet] == fleet {
			see()
		}
	}
	lives := *w
	lives.Fleets, lives.Operations = nil, nil
	lives.eachMeta(count)
}

// releases that the commit would stamp on its groups.
func (c *course) releases() map[objectKey]rollout.Release {
	repaves := map[objectKey]int32{}
	for _, repave := range c.repaves {
		repaves[objectKey{repave.Namespace, repave.Group}]++
	}
	profiles := map[objectKey]*v1alpha1.ProvisioningProfile{}
	for _, p := range c.after.Profiles {
		profiles[objectKey{p.Namespace, p.Name}] = p
	}
	byNamespace := map[string][]*v1alpha1.Server{}
	for _, server := range c.tree.Servers() {
		byNamespace[server.Namespace] = append(byNamespace[server.Namespace], server)
	}
	stamps := map[objectKey]rollout.Release{}
	for _, group := range c.tree.Groups() {
		at := objectKey{group.Namespace, group.Name}
		profile := profiles[objectKey{group.Namespace, group.Spec.ProvisioningProfileRef.Name}]
		release := rollout.ReleaseOf(group, profile, byNamespace[group.Namespace], c.Fleet.Status.Applies+1)
		release.Repaves = repaves[at]
		stamps[at] = release
	}
	return stamps
}

// restamp says why a group is sent although it says what it said: what it goes by changed.
func (c *course) restamp(object *tree.Object) string {
	group, ok := object.Typed.(*v1alpha1.ServerGroup)
	if !ok {
		return ""
	}
	at := objectKey{group.Namespace, group.Name}
	for _, lives := range c.world.Groups {
		if lives.Namespace != at.namespace || lives.Name != at.name {
			continue
		}
		was, err := rollout.ParseRelease(lives.Annotations[v1alpha1.AnnotationReleased])
		next := c.stamps[at]
		switch {
		case err != nil || c.Read.Base != nil && was.Inputs == next.Inputs && was.Members == next.Members:
			return ""
		case was.Inputs != next.Inputs:
			return "the profile that it goes by changed"
		case was.Members != next.Members:
			return "the servers that it selects changed"
		}
	}
	return ""
}

// stamped are the groups as the apply leaves them.
func (c *course) stamped() []*v1alpha1.ServerGroup {
	sent := map[objectKey]bool{}
	for i := range c.changes.Changes {
		change := &c.changes.Changes[i]
		if change.Kind.Kind == "ServerGroup" {
			sent[objectKey{change.Namespace, change.Name}] = true
		}
	}
	groups := make([]*v1alpha1.ServerGroup, 0, len(c.after.Groups))
	for _, group := range c.after.Groups {
		at := objectKey{group.Namespace, group.Name}
		stamp, ours := c.stamps[at]
		was, err := rollout.ParseRelease(group.Annotations[v1alpha1.AnnotationReleased])
		if ours && (sent[at] || err != nil || was.Inputs != stamp.Inputs || was.Members != stamp.Members) {
			group = group.DeepCopy()
			metav1.SetMetaDataAnnotation(&group.ObjectMeta, v1alpha1.AnnotationReleased, stamp.String())
			metav1.SetMetaDataAnnotation(&group.ObjectMeta, v1alpha1.AnnotationCommit, c.Read.Commit)
		}
		groups = append(groups, group)
	}
	return groups
}
