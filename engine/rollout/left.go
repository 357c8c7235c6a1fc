package rollout

import (
	"fmt"

	"stargate.io/stargate/api/v1alpha1"
)

// listLimit is how many servers status holds in each of its lists.
const listLimit = 1000

// leave keeps a server as it is, until a person decides otherwise or a new revision comes.
func (p *plan) leave(slot *v1alpha1.InFlightServer, reason v1alpha1.LeftReason, message string) {
	left := v1alpha1.LeftServer{
		Server: slot.Server, UID: slot.UID, Reason: reason, Operation: slot.Operation, Message: bounded(message, leftLimit), At: p.now,
	}
	if server := p.serverOf(slot.Server, slot.UID); server != nil {
		left.LastOperation = lastOperation(server)
	}
	p.unleave(slot.Server)
	p.next.Left = append(p.next.Left, left)
	if over := len(p.next.Left) - listLimit; over > 0 {
		p.next.Left = p.next.Left[over:]
	}
}

func (p *plan) unleave(server string) {
	p.keepLeft(func(left *v1alpha1.LeftServer) bool { return left.Server != server })
}

func (p *plan) keepLeft(keep func(*v1alpha1.LeftServer) bool) {
	kept := p.next.Left[:0]
	for i := range p.next.Left {
		if keep(&p.next.Left[i]) {
			kept = append(kept, p.next.Left[i])
		}
	}
	p.next.Left = kept
	if len(kept) == 0 {
		p.next.Left = nil
	}
}

// dropLeft takes back what is no longer true: the server is gone, has the content after all, was
// released from its quarantine, or another Operation has ended on it since.
func (p *plan) dropLeft() {
	if len(p.next.Left) == 0 {
		return
	}
	p.keepLeft(func(left *v1alpha1.LeftServer) bool {
		i := p.find(left.Server)
		if i < 0 || string(p.members[i].server.UID) != left.UID {
			return false
		}
		server := p.members[i].server
		if p.updated(server) || lastOperation(server) != left.LastOperation {
			return false
		}
		released := left.LastOperation != "" && server.Annotations[v1alpha1.AnnotationRelease] == left.LastOperation
		return server.Status.Quarantine != nil || !released
	})
}

// ResumeToken is what the annotation stargate.io/resume must say for a rollout to go on: the failures
// that are forgiven, and how many Operations had been made when that was decided. It counts once.
func ResumeToken(status *v1alpha1.ServerGroupStatus) string {
	return fmt.Sprintf("%s/%d/+%d", status.Revision.Name, status.Revision.Failures, status.Revision.Made)
}

// followResume forgives the failures that a person has seen, and tries again what was left without
// having been quarantined. The short form "<revision>/<failures>" counts where there is something to
// forgive, so that it is followed once too.
func (p *plan) followResume() {
	r := p.revision()
	said := p.s.Group.Annotations[v1alpha1.AnnotationResume]
	if said == "" || r.Number == 0 {
		return
	}
	short := fmt.Sprintf("%s/%d", r.Name, r.Failures)
	if said != ResumeToken(p.next) && (said != short || r.Failures <= r.Forgiven) {
		return
	}
	r.Forgiven = r.Failures
	p.keepLeft(func(left *v1alpha1.LeftServer) bool {
		i := p.find(left.Server)
		return i >= 0 && left.Reason == v1alpha1.LeftFailed && p.members[i].server.Status.Quarantine != nil
	})
}

// stopped tells whether too many servers failed for the rollout to go on.
func (p *plan) stopped() bool {
	r := p.revision()
	return p.rollout().OnFailure != v1alpha1.FailureContinue && r.Failures-r.Forgiven > p.rollout().MaxFailures
}
