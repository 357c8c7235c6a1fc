package rollout

import (
	"slices"
	"strings"

	"stargate.io/stargate/api/v1alpha1"
)

// member is a server of the group, with what is made of it.
type member struct {
	server *v1alpha1.Server
	class  class
	// unready: it was touched and is not ready; down: it counts as unavailable.
	unready, down bool
	// busy: a live Operation that is not this rollout's is about to disrupt it.
	busy bool
	// slot of status.inFlight that has its name, -1 for none; left likewise.
	slot, left int32
	wave       int32
}

// gatherMembers puts the group's servers in the order of their names. One that is being deleted is no
// member any more; nor is one that the selector no longer takes, in flight or not: whoever gathered them
// may have looked at another state of the group.
func (p *plan) gatherMembers() {
	servers := p.s.Servers
	byName := func(a, b *v1alpha1.Server) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(servers, byName) {
		servers = slices.Clone(servers)
		slices.SortFunc(servers, byName)
	}
	selector := compile(&p.s.Group.Spec.Selector)
	p.members = make([]member, 0, len(servers))
	for _, server := range servers {
		if server.DeletionTimestamp != nil || !selector.takes(server.Labels) {
			continue
		}
		p.members = append(p.members, member{server: server, slot: -1, left: -1})
	}
}

// serverOf gives a Server of the snapshot by name and UID, whether or not it is a member; nil where
// there is none.
func (p *plan) serverOf(name, uid string) *v1alpha1.Server {
	var server *v1alpha1.Server
	if i := p.find(name); i >= 0 {
		server = p.members[i].server
	} else if i := slices.IndexFunc(p.s.Servers, func(s *v1alpha1.Server) bool { return s.Name == name }); i >= 0 {
		server = p.s.Servers[i]
	}
	if server == nil || string(server.UID) != uid {
		return nil
	}
	return server
}

// lastOperation that ended on a server, by UID; empty for none.
func lastOperation(server *v1alpha1.Server) string {
	if server.Status.LastOperation == nil {
		return ""
	}
	return server.Status.LastOperation.UID
}
