package rollout

import (
	"fmt"
	"math"
	"strconv"

	"k8s.io/apimachinery/pkg/util/intstr"

	"stargate.io/stargate/api/v1alpha1"
)

// allowance is what the guard lets pass unasked.
func (p *plan) allowance() int {
	var limit *intstr.IntOrString
	if p.s.Fleet != nil {
		limit = p.s.Fleet.Spec.Guard.MaxRepaves
	}
	return Allowance(limit, p.s.Guarded)
}

// unguarded is how many Operations may be made before the guard is asked.
func (p *plan) unguarded() int {
	r := p.revision()
	return int(r.Released) + p.allowance() - int(r.Made)
}

// kept is how much of what the guard lets pass unasked is not for a server: all of it for one of the fleet
// of which nothing is recorded. A commit that brings one counts it and releases it; one that comes
// otherwise was deleted by hand and put back, and its machine is in use.
func (p *plan) kept(m *member) int {
	status := &m.server.Status
	if !p.managed() || m.server.Labels[v1alpha1.LabelFleet] != p.s.FleetName ||
		status.State != v1alpha1.ServerUntouched || status.Applied != nil || status.LastOperation != nil {
		return 0
	}
	return p.allowance()
}

// raiseRelease lets pass what a commit or a person released.
func (p *plan) raiseRelease() {
	if p.revision().Number == 0 {
		return
	}
	p.raiseByStamp()
	p.raiseByApproval()
}

// raiseByStamp takes each apply's release once.
func (p *plan) raiseByStamp() {
	r := p.revision()
	if !p.managed() || p.stranger {
		return
	}
	stamp, err := ParseRelease(p.s.Group.Annotations[v1alpha1.AnnotationReleased])
	if err != nil || stamp.Apply == r.Apply {
		return
	}
	r.Released, r.Apply = plus(r.Made, int(stamp.Repaves)), stamp.Apply
	r.Commit = p.s.Group.Annotations[v1alpha1.AnnotationCommit]
	r.Author = p.s.Group.Annotations[v1alpha1.AnnotationAuthor]
	r.SignedBy = p.s.Group.Annotations[v1alpha1.AnnotationSignedBy]
	p.released = true
}

// plus adds to a counter, and stops at its end.
func plus(n int32, more int) int32 {
	return int32(min(int64(n)+int64(more), math.MaxInt32)) //nolint:gosec // bounded in this line
}

// ApproveToken is what the annotation stargate.io/approve must say for the guard to let pass what
// differs now: the revision, and from the second time on how many Operations had been made when that
// was decided. It counts once.
func ApproveToken(status *v1alpha1.ServerGroupStatus) string {
	if status.Revision.ApprovedAt == nil {
		return status.Revision.Name
	}
	return fmt.Sprintf("%s/+%d", status.Revision.Name, status.Revision.Made)
}

// raiseByApproval follows what a person approved. The longer form counts only while nothing that was
// released is left and something differs, so that it is followed once too.
func (p *plan) raiseByApproval() {
	r := p.revision()
	said := p.s.Group.Annotations[v1alpha1.AnnotationApprove]
	first := said == r.Name && r.ApprovedAt == nil
	again := said == fmt.Sprintf("%s/+%d", r.Name, r.Made) && r.Released <= r.Made && p.differs() > 0
	if !first && !again {
		return
	}
	r.Released = max(r.Released, plus(r.Made, p.differs()))
	r.ApprovedAt = p.now.DeepCopy()
	r.ApprovedBy = p.s.Group.Annotations[v1alpha1.AnnotationApprovedBy]
	p.released = true
	p.tell(false, v1alpha1.ReasonApproved, fmt.Sprintf("revision %s approved by %s: %s", r.Name, orSomebody(r.ApprovedBy), count(int(r.Released-r.Made), "repave")))
}

func orSomebody(who string) string {
	if who == "" {
		return "somebody"
	}
	return who
}

// holdGuard says that more differ than the guard lets pass.
func (p *plan) holdGuard(waits *member) {
	r, differ := p.revision(), p.differs()
	why := ""
	if p.kept(waits) > 0 {
		why = fmt.Sprintf(". Nothing is recorded of server %s, and no commit released it: where somebody deleted it and it was put back, its machine is in use; spec.adopt in the repository keeps what it runs", waits.server.Name)
	}
	p.holds = append(p.holds, v1alpha1.Hold{
		Source: "Guard", Rule: "maxRepaves", Reason: v1alpha1.ReasonApprovalRequired,
		Message: fmt.Sprintf("%s of ServerGroup %s would be repaved to revision %s beside the %d that were; the guard lets %d pass unasked beyond the %d that were released%s",
			count(differ, "more server"), p.s.Group.Name, r.Name, r.Made, p.allowance(), r.Released, why),
		Observed: strconv.Itoa(int(r.Made) + differ), Limit: strconv.Itoa(int(r.Released) + p.allowance() - p.kept(waits)),
		ClearsWhen: fmt.Sprintf("somebody approves it: stargate approve group %s --reason … (annotation %s=%s)", p.s.Group.Name, v1alpha1.AnnotationApprove, ApproveToken(p.next)),
	})
}
