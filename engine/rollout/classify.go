package rollout

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// class is what a rollout makes of a server.
type class int8

// The classes, in the order in which they are asked for.
const (
	// classSkipped: another group selects it too, or it is held.
	classSkipped class = iota
	// classActive: an Operation of this rollout has it.
	classActive
	// classUpdated: it has the content.
	classUpdated
	// classLeft: it failed, or its Operation was denied or cancelled.
	classLeft
	// classDrifted: somebody gave it another content since the revision came, and that is only reported.
	classDrifted
	// classWaiting: it differs, and an Operation that is not the rollout's, a commit that is not in yet, or
	// a label that is not the commit's is in the way.
	classWaiting
	// classBehind: it differs and may be taken.
	classBehind
	classes
)

// classify says what is made of each member, and counts the unavailable ones.
func (p *plan) classify() {
	p.indexLists()
	p.markBusy()
	p.budget = p.newBudget()
	for i := range p.members {
		m := &p.members[i]
		m.class = p.classOf(m)
		m.unready = unavailable(m.server)
		m.down = m.slot >= 0 || m.busy || m.unready
		if m.down {
			p.budget.count(m)
		}
	}
	for i := range p.next.InFlight {
		if p.find(p.next.InFlight[i].Server) < 0 {
			p.budget.countStranger(p.serverOf(p.next.InFlight[i].Server, p.next.InFlight[i].UID))
		}
	}
}

// indexLists ties the lists of the status to the members.
func (p *plan) indexLists() {
	for i := range p.next.InFlight {
		if at := p.find(p.next.InFlight[i].Server); at >= 0 {
			p.members[at].slot = int32(i)
		}
	}
	for i := range p.next.Left {
		if at := p.find(p.next.Left[i].Server); at >= 0 {
			p.members[at].left = int32(i)
		}
	}
}

// markBusy marks the members that an Operation of somebody else is about to disrupt.
func (p *plan) markBusy() {
	for name, op := range p.s.Operations {
		if op.Status.Phase.Terminal() || op.Spec.Operation == v1alpha1.ActionInspect || op.Spec.Operation == v1alpha1.ActionPowerOn {
			continue
		}
		at := p.find(op.Spec.ServerRef.Name)
		if at < 0 {
			continue
		}
		m := &p.members[at]
		if m.slot < 0 || p.next.InFlight[m.slot].Operation != name {
			m.busy = true
		}
	}
}

func (p *plan) classOf(m *member) class {
	server := m.server
	switch {
	case m.slot >= 0:
		return classActive
	case p.s.SharedWith[server.Name] != "":
		return classSkipped
	case p.updated(server):
		return classUpdated
	case p.skipped(server):
		return classSkipped
	case m.left >= 0:
		return classLeft
	case p.rollout().OnDrift != v1alpha1.DriftRepave && p.drifted(server):
		return classDrifted
	case m.busy, server.Status.ActiveOperation != nil, p.unfinished(server), p.relabelled(server):
		return classWaiting
	}
	return classBehind
}

// skipped tells whether nothing may be done to a server, whatever it runs: another group selects it
// too, its identity is in doubt, a person keeps hands off it, or it is about to be adopted as it is.
func (p *plan) skipped(server *v1alpha1.Server) bool {
	return p.s.SharedWith[server.Name] != "" || len(p.s.Conflicts[server.Name]) > 0 ||
		server.Status.Quarantine != nil || server.Spec.Paused || server.Spec.Maintenance || adopting(server)
}

// adopting tells whether a machine in use is to be taken under care, and was not yet.
func adopting(server *v1alpha1.Server) bool {
	return server.Spec.Adopt != nil && server.Status.Applied == nil && server.Status.LastOperation == nil
}

// updated tells whether a server has the content.
func (p *plan) updated(server *v1alpha1.Server) bool {
	applied := server.Status.Applied
	return applied != nil && applied.Hash == p.wanted && p.wanted != "" && server.Status.State != v1alpha1.ServerUntouched
}

// drifted tells whether somebody gave a server another content since the revision came. What a rollout
// gave it, of an earlier revision that was seen out or of the group that it belonged to before, is no
// drift; nor is what a machine ran when it was adopted, which no Operation gave it.
func (p *plan) drifted(server *v1alpha1.Server) bool {
	applied, started := server.Status.Applied, p.revision().StartedAt
	// Both are whole seconds: what was given in the very second is not known to be from before it, and what
	// is not known to be behind is left alone.
	if applied == nil || started == nil || applied.At.Time.Before(started.Time) {
		return false
	}
	return applied.Operation != "" && !byRollout(applied.Operation)
}

// unavailable tells whether a server that was touched is not ready. One that never was serves nobody.
func unavailable(server *v1alpha1.Server) bool {
	status := &server.Status
	if status.State == v1alpha1.ServerUntouched {
		return false
	}
	return status.State != v1alpha1.ServerReady || status.Quarantine != nil || server.Spec.Maintenance ||
		meta.IsStatusConditionFalse(status.Conditions, v1alpha1.ConditionReady)
}

// unhealthy tells whether an updated server speaks against going on. One that a person took out does
// not.
func (m *member) unhealthy() bool {
	return m.unready && !m.server.Spec.Maintenance && !m.server.Spec.Paused
}

// differs counts the servers that do not have the content and that the rollout would give it, now or
// once nothing is in their way.
func (p *plan) differs() int {
	n := 0
	for i := range p.members {
		switch m := &p.members[i]; m.class {
		case classBehind, classWaiting, classLeft:
			n++
		case classSkipped:
			if !p.updated(m.server) {
				n++
			}
		case classActive:
			if p.next.InFlight[m.slot].Revision != p.revision().Number {
				n++
			}
		case classUpdated, classDrifted, classes:
		}
	}
	return n
}

// oldest compares by when servers were given what they run, what was never touched first.
func oldest(a, b *v1alpha1.Server) int {
	return since(a).Compare(since(b).Time)
}

func since(server *v1alpha1.Server) metav1.Time {
	if server.Status.Applied == nil {
		return metav1.Time{}
	}
	return server.Status.Applied.At
}
