package rollout

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"stargate.io/stargate/api/v1alpha1"
)

const (
	// withdrawn is the revision of a slot whose Operation is not wanted any more, though its content is
	// that of the current one: the planner cancelled it, and nobody else is to blame.
	withdrawn = 0
	// recordGrace is how long after an Operation's end the Server may still show nothing of it.
	recordGrace = time.Minute
)

// ending is how an Operation of the rollout ended.
type ending struct {
	phase           v1alpha1.OperationPhase
	reason, message string
	// untouched: no request for it ever left.
	untouched bool
}

// settleSlots frees the slots of which the outcome is known: the Operation has ended, and what it made
// of the machine is on the Server as it is seen here. Until then a slot counts.
func (p *plan) settleSlots() {
	kept := p.next.InFlight[:0]
	for i := range p.next.InFlight {
		slot := p.next.InFlight[i]
		op := p.s.Operations[slot.Operation]
		if op != nil {
			slot.Made = true
		}
		end := p.endOf(&slot, op)
		if end == nil {
			kept = append(kept, slot)
			continue
		}
		p.free(&slot, end)
	}
	p.next.InFlight = kept
	if len(kept) == 0 {
		p.next.InFlight = nil
	}
}

// endOf gives how a slot's Operation ended, nil while that is open.
func (p *plan) endOf(slot *v1alpha1.InFlightServer, op *v1alpha1.Operation) *ending {
	server := p.serverOf(slot.Server, slot.UID)
	if op != nil && !op.Status.Phase.Terminal() {
		return nil
	}
	if server != nil && server.Status.ActiveOperation != nil && server.Status.ActiveOperation.Name == slot.Operation {
		return nil
	}
	// The Server's record comes before the Operation's own end, and outlives it.
	if server != nil && server.Status.LastOperation != nil && server.Status.LastOperation.Name == slot.Operation {
		last := server.Status.LastOperation
		untouched := op != nil && len(op.Status.Attempts) == 0 && last.Phase != v1alpha1.OperationSucceeded
		return &ending{phase: last.Phase, reason: last.Reason, message: last.Message, untouched: untouched}
	}
	if op != nil {
		return p.endUnrecorded(slot, op, server)
	}
	return p.endUnseen(slot, server)
}

// endUnrecorded reads the end of an Operation of which the Server says nothing.
func (p *plan) endUnrecorded(slot *v1alpha1.InFlightServer, op *v1alpha1.Operation, server *v1alpha1.Server) *ending {
	end := &ending{phase: op.Status.Phase, reason: endReason(op), message: op.Status.Message, untouched: len(op.Status.Attempts) == 0}
	if server == nil || lastOperation(server) != slot.LastOperation {
		return end
	}
	caughtUp := end.untouched && end.phase != v1alpha1.OperationSucceeded
	switch end.reason {
	case v1alpha1.ReasonServerChanged, v1alpha1.ReasonServerRecreated, v1alpha1.ReasonServerDeleted:
		// What it saw of the Server is not seen here yet.
		caughtUp = false
	case v1alpha1.ReasonProfileChanged:
		caughtUp = caughtUp && p.s.Profile.Hash != slot.ProfileHash
	}
	if caughtUp || op.Status.CompletionTime == nil {
		return end
	}
	due := op.Status.CompletionTime.Add(recordGrace)
	if p.s.Now.Sub(op.Status.CompletionTime.Time).Abs() < recordGrace {
		p.wake(due)
		return nil
	}
	return end
}

// endUnseen decides what became of an Operation that is not there. Whether it was never made, is not
// seen yet, or is gone, only the API server can tell.
func (p *plan) endUnseen(slot *v1alpha1.InFlightServer, server *v1alpha1.Server) *ending {
	wanted := slot.Revision == p.revision().Number && server != nil
	if !slot.Made && wanted {
		return nil
	}
	if !p.s.Gone[slot.Operation] {
		p.decision.Confirm = append(p.decision.Confirm, slot.Operation)
		return nil
	}
	end := &ending{phase: v1alpha1.OperationCancelled, reason: v1alpha1.ReasonServerChanged, untouched: !slot.Made}
	switch {
	case server == nil:
	case server.Status.Quarantine != nil && server.Status.Quarantine.Operation == slot.Operation:
		// It was removed by force while it had the claim.
		end.phase, end.reason, end.message = v1alpha1.OperationFailed, server.Status.Quarantine.Reason, server.Status.Quarantine.Message
	case slot.Made && lastOperation(server) == slot.LastOperation:
		end.reason, end.message = v1alpha1.ReasonDeleted, fmt.Sprintf("Operation %s was deleted", slot.Operation)
	}
	return end
}

// endReason of an Operation, as its condition has it.
func endReason(op *v1alpha1.Operation) string {
	if c := meta.FindStatusCondition(op.Status.Conditions, v1alpha1.ConditionCompleted); c != nil {
		return c.Reason
	}
	return ""
}

// free gives a slot back, and writes down in the same status what its end means for the revision. The
// end of an earlier revision's means nothing for it.
func (p *plan) free(slot *v1alpha1.InFlightServer, end *ending) {
	r := p.revision()
	if slot.Revision != r.Number && slot.Revision != withdrawn {
		return
	}
	if end.untouched {
		// Nothing was wiped: the guard let this one pass, and may let pass another for it.
		r.Released = plus(r.Released, 1)
	}
	switch end.phase {
	case v1alpha1.OperationFailed:
		r.Failures++
		p.tell(true, v1alpha1.ReasonServerFailed, fmt.Sprintf("server %s failed: %s", slot.Server, end.message))
		if end.reason != v1alpha1.ReasonOperationGone {
			// That one is told by its quarantine alone, with which it is back once it is released.
			p.leave(slot, v1alpha1.LeftFailed, end.message)
		}
	case v1alpha1.OperationDenied:
		p.leave(slot, v1alpha1.LeftDenied, end.message)
	case v1alpha1.OperationCancelled:
		if end.meant(slot) {
			p.leave(slot, v1alpha1.LeftCancelled, end.message)
		}
	case v1alpha1.OperationSucceeded:
		p.checkSuccess(slot)
	case v1alpha1.OperationPending, v1alpha1.OperationRunning:
		// No ends.
	}
}

// meant tells whether a person meant a cancelled Operation's server to stay as it is: not where the
// planner itself withdrew it, or where it was made for what is no longer so, unless the machine was
// touched.
func (e *ending) meant(slot *v1alpha1.InFlightServer) bool {
	byPerson := e.reason == v1alpha1.ReasonCancelled || e.reason == v1alpha1.ReasonDeleted || e.reason == ""
	if slot.Revision == withdrawn || !byPerson {
		return !e.untouched && e.reason != v1alpha1.ReasonServerChanged
	}
	return true
}

// checkSuccess leaves a server whose Operation succeeded and which nevertheless does not say that it
// has the content: to wipe it again would not help.
func (p *plan) checkSuccess(slot *v1alpha1.InFlightServer) {
	server := p.serverOf(slot.Server, slot.UID)
	if server == nil || lastOperation(server) == slot.LastOperation || server.Status.LastOperation.Name != slot.Operation {
		return
	}
	if applied := server.Status.Applied; applied == nil || applied.Hash != slot.ProfileHash {
		p.leave(slot, v1alpha1.LeftCancelled, fmt.Sprintf("Operation %s succeeded, and the Server does not say that it has the profile", slot.Operation))
	}
}
