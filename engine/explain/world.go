package explain

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/engine/operation"
)

// World is what lives, as it was seen at one time. Nothing of it is changed.
type World struct {
	Now         time.Time
	Fleets      []*v1alpha1.Fleet
	Datacenters []*v1alpha1.Datacenter
	Profiles    []*v1alpha1.ProvisioningProfile
	Servers     []*v1alpha1.Server
	Groups      []*v1alpha1.ServerGroup
	Operations  []*v1alpha1.Operation
	// Policies that are in force, in the order of their names.
	Policies []ledger.Policy
	Hooks    []*v1alpha1.Hook
	// Hash over what a profile puts on a server; false where it cannot be known.
	Hash func(*v1alpha1.ProvisioningProfile) (string, bool)
	// Vouches says what admission vouches for of an Operation that was made at a time.
	Vouches func(made time.Time) Vouches
	// Expected is how long an Operation is likely to take.
	Expected func(*v1alpha1.Operation) time.Duration
}

// Vouches says what may be believed of an Operation.
type Vouches struct{ Requester, Source, Approvals, Overrides bool }

// Subject is an Operation with what it is about. Each is nil where there is none.
type Subject struct {
	Operation  *v1alpha1.Operation
	Server     *v1alpha1.Server
	Profile    *v1alpha1.ProvisioningProfile
	Datacenter *v1alpha1.Datacenter
	// Group that made the Operation, or, where it was made by hand, that selects the server.
	Group *v1alpha1.ServerGroup
	// Fleet that the group is of.
	Fleet *v1alpha1.Fleet
}

// Subject finds what an Operation is about.
func (w *World) Subject(op *v1alpha1.Operation) Subject {
	s := Subject{Operation: op}
	s.Server = find(w.Servers, op.Namespace, op.Spec.ServerRef.Name)
	if ref := op.Spec.ProvisioningProfileRef; ref != nil {
		s.Profile = find(w.Profiles, op.Namespace, ref.Name)
	}
	if s.Server != nil {
		s.Datacenter, _ = w.site(s.Server)
	}
	if name := op.Labels[v1alpha1.LabelGroup]; name != "" {
		s.Group = find(w.Groups, op.Namespace, name)
	} else if s.Server != nil {
		s.Group = w.selecting(s.Server)
	}
	if s.Group != nil && s.Group.Labels[v1alpha1.LabelFleet] != "" {
		s.Fleet = find(w.Fleets, "", s.Group.Labels[v1alpha1.LabelFleet])
	}
	return s
}

// object of a kind of ours.
type object interface {
	comparable
	GetNamespace() string
	GetName() string
}

func find[T object](all []T, namespace, name string) T {
	for _, each := range all {
		if each.GetNamespace() == namespace && each.GetName() == name {
			return each
		}
	}
	var none T
	return none
}

// site that reaches a server, or the hold of one that none does. A namespace without any Datacenter is
// no hold: a controller may run with --dc-url.
func (w *World) site(server *v1alpha1.Server) (*v1alpha1.Datacenter, *v1alpha1.Hold) {
	wanted := ""
	if ref := server.Spec.DatacenterRef; ref != nil {
		wanted = ref.Name
	}
	var here []*v1alpha1.Datacenter
	for _, dc := range w.Datacenters {
		if dc.Namespace != server.Namespace {
			continue
		}
		if dc.Name == wanted {
			return dc, nil
		}
		here = append(here, dc)
	}
	switch {
	case wanted != "":
		return nil, &v1alpha1.Hold{Source: "Datacenter/" + wanted, Reason: v1alpha1.ReasonDatacenterNotFound,
			Message:    fmt.Sprintf("Server.spec.datacenterRef.name: no Datacenter %s in namespace %s; create it or correct the reference", wanted, server.Namespace),
			ClearsWhen: "the Datacenter is created"}
	case len(here) == 1:
		return here[0], nil
	case len(here) > 1:
		return nil, &v1alpha1.Hold{Source: "Datacenter/" + server.Namespace, Reason: v1alpha1.ReasonDatacenterAmbiguous,
			Message:    fmt.Sprintf("namespace %s has %d Datacenters; say which in Server.spec.datacenterRef.name", server.Namespace, len(here)),
			ClearsWhen: "spec.datacenterRef is set"}
	}
	return nil, nil
}

// selecting is the group that selects a server: of several the first by name.
func (w *World) selecting(server *v1alpha1.Server) *v1alpha1.ServerGroup {
	var first *v1alpha1.ServerGroup
	for _, group := range w.Groups {
		if group.Namespace != server.Namespace || group.DeletionTimestamp != nil || first != nil && first.Name < group.Name {
			continue
		}
		if selector, err := group.Spec.Selector.Selector(); err == nil && selector.Matches(labels.Set(server.Labels)) {
			first = group
		}
	}
	return first
}

// conflicts are what a server shares of its identity with others of its datacenter.
func (w *World) conflicts(server *v1alpha1.Server) []string {
	var found []string
	own := operation.Identities(&server.Spec)
	for _, peer := range w.Servers {
		if peer.Namespace != server.Namespace || peer.UID == server.UID && peer.Name == server.Name || !mayShareDatacenter(peer, server) {
			continue
		}
		for _, identity := range operation.Identities(&peer.Spec) {
			if slices.Contains(own, identity) {
				found = append(found, fmt.Sprintf("%s of %s", identity, peer.Name))
			}
		}
	}
	return found
}

func mayShareDatacenter(a, b *v1alpha1.Server) bool {
	name := func(s *v1alpha1.Server) string {
		if s.Spec.DatacenterRef == nil {
			return ""
		}
		return s.Spec.DatacenterRef.Name
	}
	return name(a) == name(b) || name(a) == "" || name(b) == ""
}

// Ledger counts who is busy and what is unavailable in the World, as a controller does that starts.
func (w *World) Ledger() *ledger.Ledger {
	l := ledger.New()
	groups := w.groupOf()
	for _, server := range w.Servers {
		at := ""
		if dc, _ := w.site(server); dc != nil {
			at = dc.Name
		}
		l.Observe(ledger.MachineOf(server, at, groups(server), 0), w.Now)
	}
	var active []ledger.Ask
	for _, op := range w.Operations {
		switch {
		case operation.HasPlace(&op.Status):
			active = append(active, w.ask(w.Subject(op)))
		case op.Status.Phase == v1alpha1.OperationFailed && op.Status.CompletionTime != nil:
			l.ObserveFailed(w.ask(w.Subject(op)), op.Status.CompletionTime.Time, w.Now)
		}
	}
	l.SetPolicies(w.Policies)
	l.Rebuild(active)
	return l
}

// groupOf tells quickly which group selects a server: those of a namespace are looked through once.
func (w *World) groupOf() func(*v1alpha1.Server) string {
	type choice struct {
		name     string
		selector labels.Selector
	}
	byNamespace := map[string][]choice{}
	for _, group := range w.Groups {
		if selector, err := group.Spec.Selector.Selector(); err == nil && group.DeletionTimestamp == nil {
			byNamespace[group.Namespace] = append(byNamespace[group.Namespace], choice{group.Name, selector})
		}
	}
	for _, choices := range byNamespace {
		slices.SortFunc(choices, func(a, b choice) int { return cmp.Compare(a.name, b.name) })
	}
	return func(server *v1alpha1.Server) string {
		for _, each := range byNamespace[server.Namespace] {
			if each.selector.Matches(labels.Set(server.Labels)) {
				return each.name
			}
		}
		return ""
	}
}

// ask is an Operation's wish to start, or the record of one that has.
func (w *World) ask(s Subject) ledger.Ask {
	op := s.Operation
	ask := ledger.Ask{
		UID: string(op.UID), Key: ledger.Key(op.Namespace + "/" + op.Name), Server: ledger.Key(op.Namespace + "/" + op.Spec.ServerRef.Name),
		Priority: op.Spec.Priority, Created: op.CreationTimestamp.Time, Action: string(op.Spec.Operation),
		Disrupts: ledger.Disrupts(op.Spec.Operation), Begun: operation.HasPlace(&op.Status),
	}
	site := ""
	if s.Datacenter != nil {
		site, ask.Limit = s.Datacenter.Name, int(s.Datacenter.Spec.Limits.ConcurrentOperations)
	}
	if decided := op.Status.DecidedOn; ask.Begun && decided != nil && decided.Datacenter != "" {
		site = decided.Datacenter
	}
	ask.Site = ledger.Key(op.Namespace + "/" + site)
	return ask
}

// judged is the wish with what policies judge it by.
func (w *World) judged(s Subject) ledger.Ask {
	ask := w.ask(s)
	vouches := Vouches{}
	if w.Vouches != nil {
		vouches = w.Vouches(s.Operation.CreationTimestamp.Time)
	}
	subject := &ledger.Subject{Operation: s.Operation, Server: s.Server, Profile: s.Profile, Group: s.Group, Datacenter: s.Datacenter,
		Requester: vouches.Requester, Source: vouches.Source, Approvals: vouches.Approvals, Now: w.Now}
	if s.Profile != nil && w.Hash != nil {
		subject.ProfileHash, _ = w.Hash(s.Profile)
	}
	if w.Expected != nil {
		subject.Expected = w.Expected(s.Operation)
	}
	if vouches.Overrides {
		ask.Overrides = ledger.Lines(s.Operation.Annotations[v1alpha1.AnnotationOverride])
	}
	ask.Facts = ledger.FactsOf(subject)
	return ask
}
