package rollout

import (
	"fmt"

	"stargate.io/stargate/api/v1alpha1"
)

// summarise writes down what was decided: counts, waves, holds, history and conditions.
func (p *plan) summarise() {
	p.next.ObservedGeneration = p.s.Group.Generation
	p.countServers()
	p.writeWaves()
	p.listHolds()
	p.closeRevision()
	p.setConditions()
}

// countServers counts the members by what was made of them.
func (p *plan) countServers() {
	st := p.next
	st.Servers, st.Updated, st.Ready, st.Active, st.Failed, st.Drifted, st.Skipped = 0, 0, 0, 0, 0, 0, 0
	for i := range p.members {
		m := &p.members[i]
		st.Servers++
		if m.server.Status.State == v1alpha1.ServerReady && !m.unready {
			st.Ready++
		}
		switch m.class {
		case classUpdated:
			st.Updated++
		case classDrifted:
			st.Drifted++
		case classSkipped, classActive, classLeft, classWaiting, classBehind, classes:
		}
	}
	if st.Drifted > p.before.Drifted {
		p.tell(true, v1alpha1.ReasonDrifted, fmt.Sprintf("%s of ServerGroup %s had another content put on by hand since revision %s came; with onDrift: Report nothing is done about it", count(int(st.Drifted), "server"), p.s.Group.Name, p.revision().Name))
	}
	for i := range p.waves {
		w := &p.waves[i].status
		st.Failed, st.Skipped = st.Failed+w.Failed, st.Skipped+w.Skipped
	}
	st.Active = int32(len(st.InFlight))          //nolint:gosec // at most listLimit
	st.Unavailable = int32(p.budget.unavailable) //nolint:gosec // a group has fewer servers than that
}

// writeWaves puts the waves into the status, once there is a revision.
func (p *plan) writeWaves() {
	p.next.Waves, p.next.Wave = nil, ""
	if p.revision().Number == 0 {
		return
	}
	stopped := p.stopped()
	for i := range p.waves {
		w := &p.waves[i]
		if w.spec == nil && w.status.Servers == 0 && i > 0 {
			continue
		}
		if stopped && w.work() && w.status.State != v1alpha1.WaveWaiting {
			w.status.State = v1alpha1.WaveStopped
		}
		if p.next.Wave == "" && w.status.Servers > 0 && w.status.State != v1alpha1.WaveDone {
			p.next.Wave = w.status.Name
		}
		p.next.Waves = append(p.next.Waves, w.status)
	}
}

// pending tells whether anything is still to be started.
func (p *plan) pending() bool {
	for i := range p.waves {
		if p.waves[i].behind+p.waves[i].waiting > 0 {
			return true
		}
	}
	return false
}

// rolling tells whether the group is not yet what it should be, as far as it can be.
func (p *plan) rolling() bool {
	return p.stranger && (p.revision().Number == 0 || p.s.Profile.Hash != p.revision().ProfileHash) ||
		p.pending() || len(p.next.InFlight) > 0
}

// listHolds says why nothing more happens, what stops everything first. A hold keeps the time since
// when it holds.
func (p *plan) listHolds() {
	waits := p.holds
	p.holds = nil
	if p.rolling() {
		p.holds = append(p.holds, p.stays...)
		if p.pending() {
			p.holdFailures()
			p.holds = append(p.holds, waits...)
			p.holdWaves()
		}
	} else {
		p.holdFailed()
	}
	p.holdShared()
	p.next.Holds = nil
	for _, hold := range p.holds[:min(len(p.holds), holdLimit)] {
		hold.Message, hold.Since = bounded(hold.Message, messageLimit), p.now
		for i := range p.before.Holds {
			if old := &p.before.Holds[i]; old.Source == hold.Source && old.Rule == hold.Rule && old.Reason == hold.Reason {
				hold.Since = old.Since
			}
		}
		p.next.Holds = append(p.next.Holds, hold)
	}
}

// closeRevision notes that every server has the revision that can have it. What differs later drifted
// or is new, and counts against the guard anew; what was let pass and could not be done may still be.
func (p *plan) closeRevision() {
	r := p.revision()
	if r.Number == 0 || p.rolling() || p.stranger {
		return
	}
	if !p.wasReady() && !p.released {
		r.Released = max(r.Made, min(r.Released, plus(r.Made, p.differs())))
	}
	if r.CompletedAt != nil {
		return
	}
	r.CompletedAt = p.now.DeepCopy()
	if record := p.record(r.Number); record != nil {
		record.Result = v1alpha1.RolloutSucceeded
		if p.next.Failed > 0 {
			record.Result = v1alpha1.RolloutFailed
		}
		p.closeRecord(record, r)
	}
	p.tell(false, v1alpha1.ReasonRolloutComplete, fmt.Sprintf("revision %s: %d of %d servers have it", r.Name, p.next.Updated, p.next.Servers))
}
