package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
)

// ofFleet: the fleet, its namespaces, their groups in waves, and what no group takes.
func (f *forest) ofFleet() *node {
	note, colour := fleetNote(f.fleet)
	ready, readyColour := conditionWord(f.fleet.Status.Conditions, v1alpha1.ConditionReady)
	state := "ready"
	if note != "" || ready != "True" {
		state = render.Or(note, "not ready")
	} else {
		colour = readyColour
	}
	root := &node{Kind: "Fleet", Name: f.fleet.Name, State: state, colour: colour,
		Message: shortRevision(f.fleet.Status.LastAppliedRevision)}
	var rooms []string
	room := func(namespace string) { rooms = append(rooms, namespace) }
	for _, group := range f.groups {
		room(group.Namespace)
	}
	for _, server := range f.servers {
		room(server.Namespace)
	}
	for _, site := range f.sites {
		room(site.Namespace)
	}
	slices.Sort(rooms)
	for _, namespace := range slices.Compact(rooms) {
		root.add(f.ofNamespace(namespace))
	}
	return root
}

func (f *forest) ofNamespace(namespace string) *node {
	room := &node{Kind: "Namespace", Name: namespace, alone: true}
	for _, site := range f.sites {
		if site.Namespace == namespace {
			room.add(siteNode(site))
		}
	}
	taken := map[*v1alpha1.Server]bool{}
	for _, group := range f.groups {
		if group.Namespace != namespace {
			continue
		}
		room.add(f.ofGroup(group))
		for _, server := range f.servers {
			if selects(group, server) {
				taken[server] = true
			}
		}
	}
	loose := &node{Kind: "in no group", alone: true}
	for _, server := range f.servers {
		if server.Namespace == namespace && !taken[server] {
			loose.add(f.serverNode(server, nil))
		}
	}
	if len(loose.Children) > 0 {
		room.add(loose)
	}
	return room
}

func siteNode(site *v1alpha1.Datacenter) *node {
	state, colour := "not looked at yet", render.Plain
	switch {
	case site.Spec.Paused:
		state, colour = "paused", render.Held
	case meta.IsStatusConditionTrue(site.Status.Conditions, v1alpha1.ConditionReachable):
		state, colour = "reachable", render.Good
	case meta.IsStatusConditionFalse(site.Status.Conditions, v1alpha1.ConditionReachable):
		state, colour = "unreachable", render.Bad
	}
	message := ""
	if site.Status.APIVersion != "" {
		message = "API " + site.Status.APIVersion
	}
	return &node{Kind: "Datacenter", Namespace: site.Namespace, Name: site.Name, State: state, colour: colour, Message: message, alone: true}
}

// selects tells whether a group's selector takes a server.
func selects(group *v1alpha1.ServerGroup, server *v1alpha1.Server) bool {
	selector, err := group.Spec.Selector.Selector()
	return err == nil && group.Namespace == server.Namespace && selector.Matches(labels.Set(server.Labels))
}

// ofGroup: the group, its waves in order, their servers.
func (f *forest) ofGroup(group *v1alpha1.ServerGroup) *node {
	note, colour := groupNote(group)
	revision := &group.Status.Revision
	message := "profile " + group.Spec.ProvisioningProfileRef.Name
	if revision.OSVersion != "" {
		message += " (OS " + revision.OSVersion + ")"
	}
	root := &node{Kind: "ServerGroup", Namespace: group.Namespace, Name: group.Name, State: note, colour: colour, Message: message, alone: true}
	var members []*v1alpha1.Server
	for _, server := range f.servers {
		if selects(group, server) {
			members = append(members, server)
		}
	}
	if !dealt(group) {
		for _, wave := range group.Status.Waves {
			root.add(waveNode(group, wave.Name))
		}
		for _, server := range members {
			root.add(f.serverNode(server, group))
		}
		return root
	}
	for _, wave := range wavesOf(group, members) {
		child := waveNode(group, wave.name)
		for _, server := range wave.servers {
			child.add(f.serverNode(server, group))
		}
		root.add(child)
	}
	return root
}

func waveNode(group *v1alpha1.ServerGroup, name string) *node {
	n := &node{Kind: "Wave", Name: name, alone: true}
	for _, wave := range group.Status.Waves {
		if wave.Name != name {
			continue
		}
		n.State, n.colour = string(wave.State), waveColour(wave.State)
		n.Message = fmt.Sprintf("%d/%d", wave.Updated, wave.Servers)
		if wave.State == v1alpha1.WaveSoaking && wave.SoakedUntil != nil {
			n.Message += " until " + wave.SoakedUntil.UTC().Format("15:04:05Z")
		}
	}
	return n
}

// serverNode: a server with what is under way on it.
func (f *forest) serverNode(server *v1alpha1.Server, group *v1alpha1.ServerGroup) *node {
	n := &node{Kind: "Server", Namespace: server.Namespace, Name: server.Name,
		State: render.Or(string(server.Status.State), "untouched"), colour: stateColour(server.Status.State)}
	var words []string
	if server.Status.CurrentOS != "" {
		words = append(words, "OS "+server.Status.CurrentOS)
	}
	if behind(group, server) {
		words = append(words, "not up to date")
	}
	if note, _ := serverNote(server); note != "" {
		words = append(words, note)
	}
	n.Message = strings.Join(words, ", ")
	if op := f.operationOf(server, group); op != nil {
		n.add(operationNode(op))
	}
	return n
}

// behind tells whether a server differs from what its group's revision puts on it.
func behind(group *v1alpha1.ServerGroup, server *v1alpha1.Server) bool {
	if group == nil || group.Status.Revision.ProfileHash == "" || server.Status.State == v1alpha1.ServerUntouched {
		return false
	}
	return server.Status.Applied == nil || server.Status.Applied.Hash != group.Status.Revision.ProfileHash
}

// operationOf is what is under way on a server, or what its group made for it.
func (f *forest) operationOf(server *v1alpha1.Server, group *v1alpha1.ServerGroup) *v1alpha1.Operation {
	if active := server.Status.ActiveOperation; active != nil {
		return f.operations[server.Namespace+"/"+active.Name]
	}
	if group == nil {
		return nil
	}
	for _, slot := range group.Status.InFlight {
		if slot.Server == server.Name {
			return f.operations[server.Namespace+"/"+slot.Operation]
		}
	}
	return nil
}

func operationNode(op *v1alpha1.Operation) *node {
	message := strings.TrimSpace(progressOf(op).text)
	if heldNow(op) && op.Status.Message != "" {
		message = "held: " + op.Status.Message
	}
	return &node{Kind: "Operation", Namespace: op.Namespace, Name: op.Name, colour: phaseColour(op),
		State: string(op.Spec.Operation) + " " + render.Or(string(op.Status.Phase), "created"), Message: message, alone: true}
}

// ofServer: one server with the groups that take it, its site, and what is and was done to it.
func (f *forest) ofServer(now time.Time) *node {
	server := f.servers[0]
	root := f.serverNode(server, nil)
	root.Children, root.alone = nil, true
	root.busy = server.Status.ActiveOperation != nil
	for _, group := range f.groups {
		note, colour := groupNote(group)
		member := &node{Kind: "ServerGroup", head: "in ServerGroup", Namespace: group.Namespace, Name: group.Name, State: note, colour: colour,
			Message: "profile " + group.Spec.ProvisioningProfileRef.Name, alone: true}
		if behind(group, server) {
			member.Message += ", which it does not have yet"
		}
		root.add(member)
		if op := f.operationOf(server, group); op != nil && server.Status.ActiveOperation == nil {
			root.add(attemptsNode(op))
		}
	}
	if len(f.groups) > 1 {
		root.add(&node{Kind: "conflict", State: "no group touches it", colour: render.Bad, alone: true,
			Message: render.Count(len(f.groups), "group") + " select " + server.Name + ": mend their selectors"})
	}
	for _, site := range f.sites {
		root.add(siteNode(site))
	}
	if active := server.Status.ActiveOperation; active != nil {
		if op := f.operations[server.Namespace+"/"+active.Name]; op != nil {
			root.add(attemptsNode(op))
		}
	}
	root.add(historyNodes(server, now)...)
	return root
}

// attemptsNode is an Operation with its attempts and holds.
func attemptsNode(op *v1alpha1.Operation) *node {
	n := operationNode(op)
	for _, attempt := range op.Status.Attempts {
		state := render.Or(string(attempt.Outcome), "runs")
		n.add(&node{Kind: "attempt", Name: fmt.Sprint(attempt.Number), State: state, Message: attempt.Error, alone: true})
	}
	for _, hold := range op.Status.Holds {
		n.add(&node{Kind: "held by", Name: hold.Source, State: hold.Reason, colour: render.Held, Message: hold.Message, alone: true})
	}
	return n
}

// historyNodes say what was last done to a server.
func historyNodes(server *v1alpha1.Server, now time.Time) []*node {
	var nodes []*node
	if q := server.Status.Quarantine; q != nil {
		nodes = append(nodes, &node{Kind: "Quarantine", State: q.Reason, colour: render.Bad, Message: q.Message, alone: true})
	}
	if applied := server.Status.Applied; applied != nil {
		nodes = append(nodes, &node{Kind: "Applied", head: "has profile", Name: applied.Profile, State: "OS " + applied.OSVersion,
			Message: render.Age(applied.At.Time, now) + " ago by " + render.Or(applied.Operation, "adoption"), alone: true})
	}
	if last := server.Status.LastOperation; last != nil {
		nodes = append(nodes, &node{Kind: "LastOperation", head: "last Operation", Name: last.Name, State: string(last.Phase),
			Message: strings.TrimSpace(render.Age(last.At.Time, now) + " ago  " + last.Message), alone: true})
	}
	return nodes
}
