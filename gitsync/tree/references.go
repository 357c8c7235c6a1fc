package tree

import (
	"fmt"
	"slices"
)

// register of names by kind and namespace.
type register struct {
	names map[string][]string
	known map[Key]bool
}

func (c *commit) register() register {
	r := register{names: map[string][]string{}, known: map[Key]bool{}}
	for _, i := range c.items {
		key := i.Key()
		r.known[key] = true
		r.names[key.Kind.Kind+" "+key.Namespace] = append(r.names[key.Kind.Kind+" "+key.Namespace], key.Name)
	}
	return r
}

// of a kind in a namespace.
func (r register) of(kind, namespace string) []string { return r.names[kind+" "+namespace] }

// has the kind, in the item's namespace, under the name.
func (r register) has(kind string, i *item, name string) bool {
	key := i.Key()
	key.Kind.Kind, key.Name = kind, name
	return r.known[key]
}

// references within the commit. What a document that cannot be read would have held is not known, so then nothing is
// told missing.
func (c *commit) references() {
	if c.unread {
		return
	}
	const profile, datacenter = "ProvisioningProfile", "Datacenter"
	r := c.register()
	for _, i := range c.items {
		namespace := i.Content.GetNamespace()
		for _, name := range profilesNamed(i) {
			if !r.has(profile, i, name) {
				field := "spec.provisioningProfileRef.name"
				if i.Content.GetKind() == "Server" {
					field = "spec.adopt.profile"
				}
				c.missing(i, field, profile, name, slices.Concat(r.of(profile, namespace), r.of(profile, "")), ", or to profiles/ for all datacenters")
			}
		}
		if i.Content.GetKind() != "Server" {
			continue
		}
		// With no Datacenter at all the namespace's site is the one that `stargate run --dc-url` names.
		sites := r.of(datacenter, namespace)
		if name := textAt(i, "spec", "datacenterRef", "name"); name != "" && len(sites) > 0 && !r.has(datacenter, i, name) {
			c.missing(i, "spec.datacenterRef.name", datacenter, name, sites, "")
		}
	}
}

// missing object of the commit that another names.
func (c *commit) missing(i *item, field, kind, name string, near []string, orElse string) {
	namespace := i.Content.GetNamespace()
	c.problems = append(c.problems, i.problem(field,
		fmt.Sprintf("there is no %s %s in namespace %s of this commit", kind, quoted(name), quoted(namespace)),
		didYouMean(name, near, "add it to datacenters/"+cut(namespace, 63)+"/"+orElse)))
}
