package rollout

import (
	"slices"

	"stargate.io/stargate/api/v1alpha1"
)

// started tells whether an Operation may have reached the machine already.
func started(op *v1alpha1.Operation) bool {
	pending := op.Status.Phase == "" || op.Status.Phase == v1alpha1.OperationPending
	return !pending || len(op.Status.Attempts) > 0
}

// withdraw cancels what was taken, has not started, and is not wanted any more: it is of an earlier
// revision, its server may not be touched any more, too many failed, or the budget has shrunk below
// it, the latest first. Until it has ended it counts.
func (p *plan) withdraw() {
	over := p.budget.unavailable - p.budget.limit
	for i := range p.next.InFlight {
		slot := &p.next.InFlight[i]
		if !p.startedSlot(slot) && slot.Revision != p.revision().Number && p.upWithout(slot) {
			over--
		}
	}
	for i := len(p.next.InFlight) - 1; i >= 0; i-- {
		slot := &p.next.InFlight[i]
		if p.startedSlot(slot) {
			continue
		}
		if slot.Revision == p.revision().Number {
			switch {
			case p.unwanted(slot):
			case over > 0 && p.upWithout(slot):
				over--
			default:
				continue
			}
			slot.Revision = withdrawn
		}
		p.cancel(slot)
	}
}

func (p *plan) startedSlot(slot *v1alpha1.InFlightServer) bool {
	op := p.s.Operations[slot.Operation]
	return op != nil && started(op)
}

// cancel ends what was taken and has not started; where nothing is seen, it must first be known
// whether there is anything.
func (p *plan) cancel(slot *v1alpha1.InFlightServer) {
	op := p.s.Operations[slot.Operation]
	switch {
	case op == nil && !p.s.Gone[slot.Operation] && !slices.Contains(p.decision.Confirm, slot.Operation):
		p.decision.Confirm = append(p.decision.Confirm, slot.Operation)
	case op != nil && !op.Spec.Cancel && op.DeletionTimestamp == nil:
		p.decision.Cancel = append(p.decision.Cancel, slot.Operation)
	}
}

// unwanted tells whether a slot of this revision should not start any more.
func (p *plan) unwanted(slot *v1alpha1.InFlightServer) bool {
	i := p.find(slot.Server)
	return i < 0 || string(p.members[i].server.UID) != slot.UID || p.skipped(p.members[i].server) || p.stopped()
}

// upWithout tells whether a slot's server would be available but for the slot.
func (p *plan) upWithout(slot *v1alpha1.InFlightServer) bool {
	i := p.find(slot.Server)
	return i < 0 || !p.members[i].busy && !p.members[i].unready
}
