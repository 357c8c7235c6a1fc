package apply

import (
	"fmt"
	"slices"
	"strings"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/tree"
)

const (
	namespacesStay = "a Namespace is never pruned: delete it with kubectl once nothing in it is needed"
	pruneIsOff     = "spec.prune of the fleet is off: delete it with kubectl, or turn it on"
)

// prunes what is the fleet's and not desired any more.
func (p *Plan) prunes(wanted map[tree.Key]struct{}, live Live, o Options) {
	var gone []Prune
	for key, object := range live.objects {
		if _, stays := wanted[key]; stays || object.GetLabels()[v1alpha1.LabelFleet] != p.Fleet || p.Fleet == "" {
			continue
		}
		gone = append(gone, Prune{Key: key, uid: object.GetUID(), resourceVersion: object.GetResourceVersion()})
	}
	slices.SortFunc(gone, func(a, b Prune) int { return comparePrunes(a.Key, b.Key) })
	busy := busyServers(gone, live, o)
	for _, g := range gone {
		switch waits := busy.waits(g.Key, live.objects[g.Key]); {
		case g.Kind.Kind == "Namespace":
			g.Reason = namespacesStay
			p.Left = append(p.Left, g)
		case !o.Prune:
			g.Reason = pruneIsOff
			p.Left = append(p.Left, g)
		case waits != "":
			g.Reason = waits
			p.Waiting = append(p.Waiting, g)
		case live.objects[g.Key].GetDeletionTimestamp() == nil:
			p.Prunes = append(p.Prunes, g)
		}
	}
}

// comparePrunes by the order of apply, reversed; within a kind by name.
func comparePrunes(a, b tree.Key) int {
	if by := ranks[b.Kind.Kind] - ranks[a.Kind.Kind]; by != 0 {
		return by
	}
	return compareKeys(a, b)
}

// busy are the servers that Operations are at work on, by what they need.
type busy struct {
	// leaving servers that wait, by namespace: one of each.
	leaving map[string]string
	// datacenters by namespace and name, with one of their busy servers; of a namespace's only one the
	// name may be empty.
	datacenters map[[2]string]string
}

func busyServers(gone []Prune, live Live, o Options) busy {
	b := busy{leaving: map[string]string{}, datacenters: map[[2]string]string{}}
	if !o.Prune {
		return b
	}
	datacenterGoes := false
	for _, g := range gone {
		datacenterGoes = datacenterGoes || g.Kind.Kind == "Datacenter"
		if server, ok := live.objects[g.Key].(*v1alpha1.Server); ok && activeOn(server) != "" {
			b.leaving[g.Namespace] = g.Name
		}
	}
	if !datacenterGoes {
		return b
	}
	for _, object := range live.objects {
		server, ok := object.(*v1alpha1.Server)
		if !ok || activeOn(server) == "" {
			continue
		}
		name := ""
		if server.Spec.DatacenterRef != nil {
			name = server.Spec.DatacenterRef.Name
		}
		b.datacenters[[2]string{server.Namespace, name}] = server.Name
	}
	return b
}

// waits tells what the object waits for before it is pruned, if for anything: a Server for the Operation
// on it, and what such a Server is reached by for the Server.
func (b busy) waits(key tree.Key, live Object) string {
	switch key.Kind.Kind {
	case "Server":
		server, ok := live.(*v1alpha1.Server)
		if ok && activeOn(server) != "" {
			return busyReason(activeOn(server))
		}
	case "Datacenter":
		for _, name := range []string{key.Name, ""} {
			if server := b.datacenters[[2]string{key.Namespace, name}]; server != "" {
				return neededReason(server)
			}
		}
	case "ProvisioningProfile", "Secret", "ConfigMap":
		if server := b.leaving[key.Namespace]; server != "" {
			return neededReason(server)
		}
	}
	return ""
}

// activeOn a server: the name of the Operation that has it.
func activeOn(server *v1alpha1.Server) string {
	if server.Status.ActiveOperation == nil {
		return ""
	}
	return server.Status.ActiveOperation.Name
}

func busyReason(operation string) string {
	return fmt.Sprintf("Operation %s is at work on it: it is forgotten once that ends", operation)
}

func neededReason(server string) string {
	return fmt.Sprintf("Server %s is reached by it, and an Operation is at work on that: it goes once the Operation ends", server)
}

// quoted for a message.
func quoted(word string) string { return `"` + strings.ReplaceAll(word, `"`, `'`) + `"` }
