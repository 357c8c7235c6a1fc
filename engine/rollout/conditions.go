package rollout

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// wasReady tells whether the group was what it should be when last looked at.
func (p *plan) wasReady() bool {
	return meta.IsStatusConditionTrue(p.before.Conditions, v1alpha1.ConditionReady)
}

// setConditions sets what kstatus reads: Ready once every server has the revision that can have it,
// Stalled where only a person helps, Reconciling otherwise.
func (p *plan) setConditions() {
	if reason, message := p.stalled(); reason != "" {
		p.set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
		p.set(v1alpha1.ConditionStalled, metav1.ConditionTrue, reason, message)
		meta.RemoveStatusCondition(&p.next.Conditions, v1alpha1.ConditionReconciling)
		p.tellHold()
		return
	}
	meta.RemoveStatusCondition(&p.next.Conditions, v1alpha1.ConditionStalled)
	if p.rolling() {
		reason, message := v1alpha1.ReasonRollingOut, p.progress()
		if len(p.stays) > 0 {
			reason = p.stays[0].Reason
		} else if len(p.next.Holds) > 0 && len(p.next.InFlight) == 0 {
			reason = p.next.Holds[0].Reason
		}
		if reason != v1alpha1.ReasonRollingOut {
			message += "; " + p.next.Holds[0].Message
		}
		p.set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
		p.set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, reason, message)
		p.tellHold()
		return
	}
	meta.RemoveStatusCondition(&p.next.Conditions, v1alpha1.ConditionReconciling)
	reason := v1alpha1.ReasonUpToDate
	if len(p.members) == 0 {
		reason = v1alpha1.ReasonNoServers
	}
	p.set(v1alpha1.ConditionReady, metav1.ConditionTrue, reason, p.progress())
}

// stalled gives why only a person can help; empty where that is not so.
func (p *plan) stalled() (reason, message string) {
	switch {
	case p.s.Profile.Problem != nil:
		return p.s.Profile.Problem.Reason, p.s.Profile.Problem.Message
	case p.s.Profile.Hash == "":
		hold := p.noProfile()
		return hold.Reason, hold.Message
	}
	for i := range p.next.Holds {
		// Either stands there only while nobody but a person can go on.
		if reason := p.next.Holds[i].Reason; reason == v1alpha1.ReasonTooManyFailures || reason == v1alpha1.ReasonServerFailed {
			return reason, p.progress() + "; " + p.next.Holds[i].Message
		}
	}
	shared := 0
	for i := range p.members {
		if p.s.SharedWith[p.members[i].server.Name] != "" {
			shared++
		}
	}
	if shared > 0 && shared == len(p.members) {
		return v1alpha1.ReasonGroupConflict, "every server that it selects is selected by another group too: " + p.next.Holds[len(p.next.Holds)-1].Message
	}
	return "", ""
}

// progress in one line.
func (p *plan) progress() string {
	st := p.next
	if st.Servers == 0 {
		return "its selector takes no server"
	}
	parts := []string{fmt.Sprintf("%d of %d servers have revision %s", st.Updated, st.Servers, orNone(st.Revision.Name))}
	for _, part := range []struct {
		n    int32
		what string
	}{{st.Active, "active"}, {st.Failed, "failed"}, {st.Drifted, "drifted"}, {st.Skipped, "skipped"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return strings.Join(parts, ", ")
}

// set one condition; its time moves only where its status does.
func (p *plan) set(kind string, value metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(&p.next.Conditions, metav1.Condition{
		Type: kind, Status: value, Reason: reason, Message: message,
		ObservedGeneration: p.s.Group.Generation, LastTransitionTime: p.now,
	})
}

// tellHold tells once that something new holds the rollout, where only somebody or a clock ends it.
func (p *plan) tellHold() {
	for i := range p.next.Holds {
		hold := &p.next.Holds[i]
		if hold.Reason == v1alpha1.ReasonLimitReached || hold.Reason == v1alpha1.ReasonServerBusy || !hold.Since.Equal(&p.now) || p.heldBefore(hold) {
			continue
		}
		warning := hold.Reason == v1alpha1.ReasonTooManyFailures || hold.Reason == v1alpha1.ReasonServerFailed || hold.Reason == v1alpha1.ReasonGroupConflict
		p.tell(warning, hold.Reason, hold.Message)
	}
}

func (p *plan) heldBefore(hold *v1alpha1.Hold) bool {
	for i := range p.before.Holds {
		if old := &p.before.Holds[i]; old.Source == hold.Source && old.Rule == hold.Rule && old.Reason == hold.Reason {
			return true
		}
	}
	return false
}
