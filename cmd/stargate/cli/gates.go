package cli

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/preflight"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/engine/explain"
	"stargate.io/stargate/engine/operation"
)

// gates are what is going to be done to one server, and what is known to stand in the way.
type gates struct {
	options *actOptions
	server  *v1alpha1.Server
	profile *v1alpha1.ProvisioningProfile
	holds   []v1alpha1.Hold
	// policies that hold or deny it, or tell something.
	policies []explain.Gate
	// doubts are no holds, but worth knowing before saying yes.
	doubts []string
}

// gates reads what is meant. Everything is read before anything is written, so that a name mistyped
// at the end of the line stops the whole of it.
func (c *cluster) gates(ctx context.Context, options *actOptions, names []string) ([]gates, error) {
	var all []gates
	profile, err := c.profile(ctx, options.profile)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		object, err := c.read(ctx, serverKind(), name)
		if err != nil {
			return nil, err
		}
		all = append(all, gates{options: options, server: asServer(object), profile: profile})
	}
	sites, err := c.all(ctx, &v1alpha1.DatacenterList{}, c.namespace, "")
	if err != nil {
		return nil, err
	}
	peers, err := c.all(ctx, &v1alpha1.ServerList{}, c.namespace, "")
	if err != nil {
		return nil, err
	}
	shared := preflight.Conflicts(servers(peers))
	for i := range all {
		all[i].look(sites, shared)
	}
	return all, nil
}

func (c *cluster) profile(ctx context.Context, name string) (*v1alpha1.ProvisioningProfile, error) {
	if name == "" {
		return nil, nil
	}
	object, err := c.read(ctx, profileKind(), name)
	if err != nil {
		return nil, err
	}
	profile, _ := object.(*v1alpha1.ProvisioningProfile)
	return profile, nil
}

func servers(objects []client.Object) []*v1alpha1.Server {
	result := make([]*v1alpha1.Server, 0, len(objects))
	for _, object := range objects {
		result = append(result, asServer(object))
	}
	return result
}

// look collects what stands in the way, in the words that the controller will use.
func (p *gates) look(sites []client.Object, conflicts []preflight.Conflict) {
	var shared []string
	for _, conflict := range conflicts {
		if others := conflict.With(p.server); others != "" {
			shared = append(shared, others)
		}
	}
	if hold := operation.ServerHold(p.server, shared); hold != nil {
		p.holds = append(p.holds, *hold)
	}
	if active := p.server.Status.ActiveOperation; active != nil {
		p.holds = append(p.holds, v1alpha1.Hold{
			Source: "Server/" + p.server.Name, Reason: v1alpha1.ReasonServerBusy,
			Message:    fmt.Sprintf("Operation %s is at work on server %s", active.Name, p.server.Name),
			ClearsWhen: "Operation/" + active.Name + " ends",
		})
	}
	site, doubt := siteOf(p.server, sites)
	if doubt != "" {
		p.doubts = append(p.doubts, doubt)
	}
	if site == nil {
		return
	}
	if hold := operation.SiteHold(operation.Site{Name: site.Name, Paused: site.Spec.Paused, Reason: site.Spec.Reason}); hold != nil {
		p.holds = append(p.holds, *hold)
	}
	p.doubts = append(p.doubts, siteDoubts(site, p.options.action.action)...)
}

// siteOf finds the Datacenter that reaches a server. None at all is no doubt: the controller may
// run with --dc-url.
func siteOf(server *v1alpha1.Server, sites []client.Object) (*v1alpha1.Datacenter, string) {
	wanted := ""
	if server.Spec.DatacenterRef != nil {
		wanted = server.Spec.DatacenterRef.Name
	}
	for _, object := range sites {
		if dc := asDatacenter(object); dc.Name == wanted || (wanted == "" && len(sites) == 1) {
			return dc, ""
		}
	}
	switch {
	case wanted != "":
		return nil, fmt.Sprintf("its Datacenter %s does not exist in namespace %s", wanted, server.Namespace)
	case len(sites) > 1:
		return nil, fmt.Sprintf("namespace %s has %d Datacenters; say which in its spec.datacenterRef", server.Namespace, len(sites))
	}
	return nil, ""
}

// siteDoubts are what the controller last learned of a site and what speaks against success there.
func siteDoubts(site *v1alpha1.Datacenter, wanted v1alpha1.Action) []string {
	var doubts []string
	reachable := meta.FindStatusCondition(site.Status.Conditions, v1alpha1.ConditionReachable)
	if reachable != nil && reachable.Status == metav1.ConditionFalse {
		return append(doubts, fmt.Sprintf("Datacenter %s was not reachable when last tried: %s", site.Name, reachable.Message))
	}
	if reachable != nil && wanted != v1alpha1.ActionRepave && !contains(site.Status.Capabilities, string(wanted)) {
		doubts = append(doubts, fmt.Sprintf("Datacenter %s does not offer %s (it offers %s)", site.Name, wanted,
			render.Or(strings.Join(site.Status.Capabilities, ", "), "nothing")))
	}
	once := meta.FindStatusCondition(site.Status.Conditions, v1alpha1.ConditionExactlyOnce)
	if once != nil && once.Status == metav1.ConditionFalse {
		doubts = append(doubts, fmt.Sprintf("Datacenter %s knows no request id: should its reply be lost, you will be asked what became of it", site.Name))
	}
	return doubts
}

func contains(all []string, one string) bool {
	for _, each := range all {
		if each == one {
			return true
		}
	}
	return false
}

// showGates tells, on stderr, what is going to be done and what stands in the way.
func (a *App) showGates(p gates) {
	what := fmt.Sprintf("This %s Server %s in namespace %s", p.options.effect, p.server.Name, p.server.Namespace)
	if p.profile != nil {
		what += fmt.Sprintf(" and puts ProvisioningProfile %s (OS %s) on it", p.profile.Name, p.profile.Spec.OSVersion)
	}
	a.note("%s", render.Clean(what))
	a.note("  it is   %s", render.Clean(identity(p.server)))
	for _, hold := range p.holds {
		text := hold.Message
		if hold.ClearsWhen != "" {
			text += "; clears when " + hold.ClearsWhen
		}
		a.note("  %s    %s", a.notes.Paint(render.Held, "HELD"), render.Clean(text))
	}
	for _, doubt := range p.doubts {
		a.note("  %s    %s", a.notes.Paint(render.Held, "note"), render.Clean(doubt))
	}
	a.showPolicies(&p)
	if !p.held() {
		a.note("  %s      nothing known holds it", a.notes.Paint(render.Good, "ok"))
	}
}

// identity is what a person checks before wiping a machine.
func identity(server *v1alpha1.Server) string {
	state := render.Or(string(server.Status.State), "never touched")
	if server.Status.CurrentOS != "" {
		state += ", OS " + server.Status.CurrentOS
	}
	parts := []string{state, server.Spec.MAC}
	for _, part := range []string{server.Spec.IPv4, server.Spec.Inventory.Location, server.Spec.Inventory.SKU} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}
