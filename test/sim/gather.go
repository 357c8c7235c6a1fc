package sim

import (
	"fmt"
	"strings"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
	"stargate.io/stargate/engine/profile"
)

// gather mirrors engine/controllers/gather.go: what a decision may know, from caches that may be old
// and from what this process wrote itself; nil where the Operation is gone.
func (p *process) gather(name string) *pass {
	cached, ok := p.caches[operations].get(name).(*v1alpha1.Operation)
	if !ok {
		p.missing(name)
		return nil
	}
	p.remember(name, cached.UID)
	op := p.operations.of(cached)
	s := &pass{name: name, Snapshot: operation.Snapshot{Now: p.world.wall(), Process: p.name, Operation: op}}
	p.gatherServer(s)
	if op.Status.Phase.Terminal() {
		return s
	}
	p.gatherSite(s)
	if ref := op.Spec.ProvisioningProfileRef; ref != nil {
		s.Profile = p.resolveProfile(ref.Name, s.Server)
	}
	p.tell(op.UID, &s.Snapshot)
	p.tellHooks(op.UID, &s.Snapshot)
	if underway(op) || operation.HooksBegun(&op.Status) {
		p.occupy(op, s.Site.Name)
	}
	return s
}

func (p *process) gatherServer(s *pass) {
	if cached, ok := p.caches[servers].get(s.Operation.Spec.ServerRef.Name).(*v1alpha1.Server); ok {
		s.Server = p.servers.of(cached)
	}
	s.SeenServer = p.firstSeen(s.name, s.Server)
	if s.Operation.Status.Phase.Terminal() {
		return
	}
	p.seeClaim(s)
	if s.Server != nil {
		s.Conflicts = p.conflicts(s.Server)
	}
}

func (p *process) seeClaim(s *pass) {
	if !underway(s.Operation) || claims(s.Operation, s.Server) {
		return
	}
	if live, ok := p.world.api.get(servers, s.Operation.Spec.ServerRef.Name).(*v1alpha1.Server); ok {
		s.Server = live
	}
}

func (p *process) gatherSite(s *pass) {
	name := ""
	switch {
	case underway(s.Operation):
		name = s.Operation.Status.DecidedOn.Datacenter
	case s.Server != nil:
		name = s.Server.Spec.DatacenterRef.Name
	}
	dc, ok := p.caches[datacenters].get(name).(*v1alpha1.Datacenter)
	if !ok {
		s.Site.Problem = &v1alpha1.Hold{Source: "Datacenter/" + name, Reason: v1alpha1.ReasonDatacenterNotFound, Message: "no Datacenter " + name}
		return
	}
	s.datacenter = dc
	s.Site, s.site, s.limit = siteOf(dc), p.world.sites[name], int(dc.Spec.Limits.ConcurrentOperations)
}

func siteOf(dc *v1alpha1.Datacenter) operation.Site {
	return operation.Site{Name: dc.Name, Paused: dc.Spec.Paused, Reason: dc.Spec.Reason, Deleting: dc.DeletionTimestamp != nil, OnUnknown: dc.Spec.OnUnknownOutcome}
}

func (p *process) resolveProfile(name string, server *v1alpha1.Server) *operation.Profile {
	resolved := &operation.Profile{Name: name}
	object, ok := p.caches[profiles].get(name).(*v1alpha1.ProvisioningProfile)
	if !ok {
		resolved.Problem = &v1alpha1.Hold{Source: "ProvisioningProfile/" + name, Reason: v1alpha1.ReasonProfileNotFound, Message: "no ProvisioningProfile " + name}
		return resolved
	}
	if server != nil && p.rendered.profile == object && p.rendered.server == server {
		return p.rendered.resolved
	}
	var documents profile.Documents
	resolved.Hash = profile.Hash(&object.Spec, documents)
	if server == nil {
		return resolved
	}
	image, err := profile.Render(&object.Spec, documents, server)
	if err != nil {
		resolved.Problem = &v1alpha1.Hold{Source: "ProvisioningProfile/" + name, Reason: v1alpha1.ReasonProfileInvalid, Message: err.Error()}
	}
	resolved.Image = image
	p.rendered.profile, p.rendered.server, p.rendered.resolved = object, server, resolved
	return resolved
}

// conflicts lists the other Servers with the same MAC, as the cache shows them.
func (p *process) conflicts(server *v1alpha1.Server) []string {
	var found []string
	for _, name := range p.caches[servers].names() {
		peer := p.caches[servers].get(name).(*v1alpha1.Server)
		if peer.UID != server.UID && strings.EqualFold(peer.Spec.MAC, server.Spec.MAC) && peer.Name != server.Name {
			found = append(found, fmt.Sprintf("mac %s of %s", server.Spec.MAC, peer.Name))
		}
	}
	return found
}

func claims(op *v1alpha1.Operation, server *v1alpha1.Server) bool {
	return server != nil && server.Status.ActiveOperation != nil && server.Status.ActiveOperation.UID == string(op.UID)
}
