package rollout

import (
	"fmt"

	"stargate.io/stargate/api/v1alpha1"
)

// historyLimit is how many revisions a group remembers.
const historyLimit = 10

// turnToRevision takes up what the profile says now, unless nobody released it: a profile that was
// edited under a fleet is no revision, or an edit and its undoing would forgive what had failed.
func (p *plan) turnToRevision() {
	r := p.revision()
	if !p.stranger && p.s.Profile.Hash != r.ProfileHash {
		p.begin()
	} else if !p.stranger && r.Profile != p.s.Profile.Name {
		// Another name for the same content.
		r.Profile = p.s.Profile.Name
	}
	p.wanted = r.ProfileHash
	if r.Number == 0 {
		p.wanted = p.s.Profile.Hash
	}
}

// begin starts the rollout of another content, with nothing made, failed or left.
func (p *plan) begin() {
	old := p.next.Revision
	p.supersede(&old)
	number := old.Number + 1
	group := p.s.Group
	p.next.Revision = v1alpha1.GroupRevision{
		Name: fmt.Sprintf("%d-%.8s", number, p.s.Profile.Hash), Number: number,
		Profile: p.s.Profile.Name, ProfileHash: p.s.Profile.Hash, OSVersion: p.s.Profile.OSVersion,
		Commit: group.Annotations[v1alpha1.AnnotationCommit], Author: group.Annotations[v1alpha1.AnnotationAuthor],
		SignedBy: group.Annotations[v1alpha1.AnnotationSignedBy], StartedAt: p.now.DeepCopy(),
		// A commit releases once: what changed since without one is the guard's.
		Apply: old.Apply,
	}
	p.next.Left, p.next.Waves, p.next.Wave = nil, nil, ""
	for i := range p.next.InFlight {
		if p.next.InFlight[i].Revision == withdrawn {
			p.next.InFlight[i].Revision = old.Number
		}
	}
	record := v1alpha1.RolloutRecord{Revision: p.next.Revision, Result: v1alpha1.RolloutRunning, StartedAt: p.now.DeepCopy()}
	p.next.History = append([]v1alpha1.RolloutRecord{record}, p.next.History...)
	if len(p.next.History) > historyLimit {
		p.next.History = p.next.History[:historyLimit]
	}
	p.tell(false, v1alpha1.ReasonNewRevision, fmt.Sprintf("revision %s: profile %s, OS %s", p.next.Revision.Name, p.s.Profile.Name, p.s.Profile.OSVersion))
}

// supersede closes the record of a revision that was not through.
func (p *plan) supersede(old *v1alpha1.GroupRevision) {
	record := p.record(old.Number)
	if record == nil || record.Result != v1alpha1.RolloutRunning {
		return
	}
	record.Result = v1alpha1.RolloutSuperseded
	if p.stopped() {
		record.Result = v1alpha1.RolloutFailed
	}
	p.closeRecord(record, old)
}

// record of a revision in the history, nil where it is no longer there.
func (p *plan) record(number int64) *v1alpha1.RolloutRecord {
	for i := range p.next.History {
		if p.next.History[i].Revision.Number == number {
			return &p.next.History[i]
		}
	}
	return nil
}

func (p *plan) closeRecord(record *v1alpha1.RolloutRecord, revision *v1alpha1.GroupRevision) {
	record.Revision = *revision.DeepCopy()
	record.FinishedAt = p.now.DeepCopy()
	record.Updated, record.Failed = p.next.Updated, p.next.Failed
	record.Message = fmt.Sprintf("%d of %d servers updated, %d failed", p.next.Updated, p.next.Servers, p.next.Failed)
}
