package tree

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"stargate.io/stargate/api/v1alpha1"
)

// identity is something that no two Servers of a datacenter may share.
type identity struct{ what, value, field string }

// identitiesOf a Server, as the engine compares them (engine/operation.Identities): a MAC and a boot MAC are of one
// kind, and a BMC is the same however its address is spelled.
func identitiesOf(spec *v1alpha1.ServerSpec) []identity {
	mac, boot := strings.ToLower(spec.MAC), strings.ToLower(spec.BootMACAddress)
	all := []identity{{"MAC address", mac, "spec.mac"}}
	if boot != "" && boot != mac {
		all = append(all, identity{"MAC address", boot, "spec.bootMACAddress"})
	}
	if spec.IPv4 != "" {
		all = append(all, identity{"IPv4 address", spec.IPv4, "spec.ipv4"})
	}
	if spec.BMC != nil {
		all = append(all, identity{"BMC", strings.TrimSpace(controllerAddress(spec.BMC.Address) + " " + spec.BMC.SystemID), "spec.bmc.address"})
	}
	return all
}

// controllerAddress gives a BMC's address without what it may be spelled with or without.
func controllerAddress(address string) string {
	address = strings.TrimRight(strings.ToLower(address), "/")
	for scheme, port := range map[string]string{"https://": ":443", "http://": ":80"} {
		if host, found := strings.CutPrefix(address, scheme); found {
			return strings.TrimSuffix(host, port)
		}
	}
	return strings.TrimSuffix(address, ":443")
}

// identities tells of Servers that would be held as soon as they are there.
func (c *commit) identities() {
	type key struct{ namespace, datacenter, what, value string }
	first := map[key]*item{}
	fields := map[key]string{}
	sole := c.soleDatacenters()
	for _, i := range c.items {
		server, ok := i.Typed.(*v1alpha1.Server)
		if !ok {
			continue
		}
		site := sole[server.Namespace]
		if server.Spec.DatacenterRef != nil {
			site = server.Spec.DatacenterRef.Name
		}
		for _, id := range identitiesOf(&server.Spec) {
			k := key{server.Namespace, site, id.what, id.value}
			other := first[k]
			if other == nil {
				first[k], fields[k] = i, id.field
				continue
			}
			if other.Key() == i.Key() {
				continue // one Server that stands twice is told as that
			}
			c.problems = append(c.problems, i.problem(id.field,
				fmt.Sprintf("%s %s is also that of %s in %s", id.what, quoted(id.value), other.title(), other.at(fields[k])),
				"correct one of the two: no Operation runs on either while they share it"))
		}
	}
}

// soleDatacenters by namespace: a Server needs not name the only one.
func (c *commit) soleDatacenters() map[string]string {
	sole, several := map[string]string{}, map[string]bool{}
	for _, i := range c.items {
		if i.Content.GetKind() != "Datacenter" {
			continue
		}
		namespace := i.Content.GetNamespace()
		if _, has := sole[namespace]; has {
			several[namespace] = true
		}
		sole[namespace] = i.Content.GetName()
	}
	for namespace := range several {
		delete(sole, namespace)
	}
	return sole
}

// selections tells of groups that take the same Server: neither would touch it.
func (c *commit) selections() {
	byNamespace := map[string][]*item{}
	for _, i := range c.items {
		if _, ok := i.Typed.(*v1alpha1.ServerGroup); ok {
			byNamespace[i.Content.GetNamespace()] = append(byNamespace[i.Content.GetNamespace()], i)
		}
	}
	servers := c.serversByLabel()
	for _, namespace := range keysOf(byNamespace) {
		taken := map[*item]*item{} // server: the group that takes it
		told := map[[2]*item]bool{}
		groups := byNamespace[namespace]
		slices.SortStableFunc(groups, func(a, b *item) int { return comparePlaces(a.Place, b.Place) })
		for _, group := range groups {
			for _, server := range servers[namespace].selectedBy(group.Typed.(*v1alpha1.ServerGroup)) {
				other := taken[server]
				switch {
				case other == nil:
					taken[server] = group
				case other != group && other.Key() != group.Key() && !told[[2]*item{other, group}]:
					told[[2]*item{other, group}] = true
					c.problems = append(c.problems, group.problem("spec.selector",
						fmt.Sprintf("%s is also taken by %s in %s: a server belongs to one group", server.title(), other.title(), other.at("spec.selector")),
						"narrow one of the two selectors"))
				}
			}
		}
	}
}

// labelled servers of one namespace, found by a label without asking each.
type labelled struct {
	all []*item
	by  map[string][]*item
}

func (c *commit) serversByLabel() map[string]*labelled {
	found := map[string]*labelled{}
	for _, i := range c.items {
		if _, ok := i.Typed.(*v1alpha1.Server); !ok {
			continue
		}
		of := found[i.Content.GetNamespace()]
		if of == nil {
			of = &labelled{by: map[string][]*item{}}
			found[i.Content.GetNamespace()] = of
		}
		of.all = append(of.all, i)
	}
	for _, of := range found {
		slices.SortStableFunc(of.all, func(a, b *item) int { return cmp.Compare(a.Content.GetName(), b.Content.GetName()) })
		for _, i := range of.all {
			for key, value := range i.Typed.(*v1alpha1.Server).Labels {
				of.by[key+"="+value] = append(of.by[key+"="+value], i)
			}
		}
	}
	return found
}

// selectedBy the group, asking only those that have its rarest label.
func (l *labelled) selectedBy(group *v1alpha1.ServerGroup) []*item {
	selector, err := group.Spec.Selector.Selector()
	if l == nil || err != nil {
		return nil
	}
	candidates := l.all
	for key, value := range group.Spec.Selector.MatchLabels {
		if some := l.by[key+"="+string(value)]; len(some) < len(candidates) {
			candidates = some
		}
	}
	var taken []*item
	for _, i := range candidates {
		if selector.Matches(labels.Set(i.Typed.(*v1alpha1.Server).Labels)) {
			taken = append(taken, i)
		}
	}
	return taken
}

func comparePlaces(a, b Place) int {
	return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
}
