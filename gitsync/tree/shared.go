package tree

import (
	"fmt"
	"maps"
	"slices"

	"stargate.io/stargate/api/v1alpha1"
)

// share gives every namespace that names a shared profile one of its own, where it has none of that name. The place of
// each stays the shared file.
func (c *commit) share() {
	shared, own := map[string]*item{}, map[Key]bool{}
	for _, i := range c.items {
		switch first := shared[i.Content.GetName()]; {
		case !i.shared:
			own[i.Key()] = true
		case first != nil:
			c.problems = append(c.problems, i.problem("metadata.name",
				fmt.Sprintf("the shared profile %s stands twice, first in %s", quoted(i.Content.GetName()), first.at("metadata.name")), "rename or remove one of the two"))
		default:
			shared[i.Content.GetName()] = i
		}
	}
	var made []*item
	for _, i := range c.items {
		for _, name := range profilesNamed(i) {
			from := shared[name]
			if from == nil {
				continue
			}
			key := from.Key()
			key.Namespace = i.Content.GetNamespace()
			if !own[key] {
				own[key] = true
				made = append(made, from.in(key.Namespace))
			}
		}
	}
	c.items = append(c.items, made...)
}

// in the namespace: the item once more.
func (i *item) in(namespace string) *item {
	object := *i.Object
	object.Content = i.Content.DeepCopy()
	object.Content.SetNamespace(namespace)
	if profile, ok := i.Typed.(*v1alpha1.ProvisioningProfile); ok {
		profile = profile.DeepCopy()
		profile.Namespace = namespace
		object.Typed = profile
	}
	return &item{Object: &object, fields: i.fields, broken: i.broken}
}

// profilesNamed by the item, whatever else may be wrong with it.
func profilesNamed(i *item) []string {
	if i.Content.GetNamespace() == "" {
		return nil
	}
	switch i.Content.GetKind() {
	case "ServerGroup":
		return names(textAt(i, "spec", "provisioningProfileRef", "name"))
	case "Server":
		return names(textAt(i, "spec", "adopt", "profile"))
	}
	return nil
}

func names(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

// textAt the path of keys, and "" where there is none.
func textAt(i *item, path ...string) string {
	var at any = i.Content.Object
	for _, key := range path {
		object, ok := at.(map[string]any)
		if !ok {
			return ""
		}
		at = object[key]
	}
	return stringOf(at)
}

// compare looks at what objects say of each other.
func (c *commit) compare() {
	c.count()
	c.unique()
	c.references()
	c.identities()
	c.selections()
	c.foreignNamespaces()
}

// count the objects once shared profiles are spread.
func (c *commit) count() {
	if limit := c.options.Limits.Objects; len(c.items) > limit {
		last := slices.MaxFunc(c.items, func(a, b *item) int { return comparePlaces(a.Place, b.Place) })
		c.problems = append(c.problems, last.problem("metadata.name",
			fmt.Sprintf("the commit has %d objects, more than %d", len(c.items), limit), "spread them over several fleets, each with a path of its own"))
	}
}

// unique tells of objects that stand twice.
func (c *commit) unique() {
	first := map[Key]*item{}
	for _, i := range c.items {
		if i.shared {
			continue
		}
		key := i.Key()
		if other := first[key]; other != nil {
			c.problems = append(c.problems, i.problem("metadata.name",
				fmt.Sprintf("%s stands twice, first in %s", cut(key.String(), 200), other.at("metadata.name")), "rename or remove one of the two"))
			continue
		}
		first[key] = i
	}
}

// foreignNamespaces tells of objects of Kubernetes' own kinds in namespaces that the fleet has nothing else in: a fleet
// repository keeps its own house.
func (c *commit) foreignNamespaces() {
	if c.unread {
		return
	}
	house := map[string]bool{}
	for _, i := range c.items {
		if k, _ := kindNamed(i.Content.GetKind()); k.made != nil {
			house[i.Content.GetNamespace()] = true
		}
	}
	all := slices.DeleteFunc(slices.Sorted(maps.Keys(house)), func(name string) bool { return name == "" })
	for _, i := range c.items {
		if k, _ := kindNamed(i.Content.GetKind()); k.made != nil {
			continue
		}
		namespace, field := i.Content.GetNamespace(), "metadata.namespace"
		if i.Content.GetKind() == "Namespace" {
			namespace, field = i.Content.GetName(), "metadata.name"
		}
		if namespace != "" && !house[namespace] {
			c.problems = append(c.problems, i.problem(field, "the fleet has no object of Stargate's own in namespace "+quoted(namespace),
				didYouMean(namespace, all, "use a namespace of the fleet's own")))
		}
	}
}
