package rollout

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// Decide gives the next step of a group's rollout. Asked again with what it decided, and nothing else
// changed, it decides the same.
func Decide(s Snapshot) Decision {
	p := newPlan(&s)
	p.gatherMembers()
	p.askGates()
	p.turnToRevision()
	p.settleSlots()
	p.followResume()
	p.dropLeft()
	p.classify()
	p.withdraw()
	p.arrangeWaves()
	p.raiseRelease()
	p.take()
	p.makeOperations()
	p.summarise()
	return p.decision
}

// plan is one decision on its way.
type plan struct {
	s *Snapshot
	// now in whole seconds, which is what a status keeps.
	now metav1.Time
	// before is the status as it was read; next is what becomes of it.
	before *v1alpha1.ServerGroupStatus
	next   *v1alpha1.ServerGroupStatus
	// members of the group, by name.
	members []member
	// stays is why nothing may be started at all; stranger, why the profile is not taken up.
	stays    []v1alpha1.Hold
	stranger bool
	// wanted is the hash of the profile that members should have.
	wanted string
	waves  []wave
	// ordered is cached by order.
	ordered []int32
	// current wave that may start servers, -1 for none.
	current int
	budget  budget
	// holds of everything that waits, the gates' first.
	holds    []v1alpha1.Hold
	released bool // in this very decision
	decision Decision
}

func newPlan(s *Snapshot) *plan {
	p := &plan{s: s, now: metav1.NewTime(s.Now.Truncate(time.Second)), before: &s.Group.Status, current: -1}
	p.decision.Status = *s.Group.Status.DeepCopy()
	p.next = &p.decision.Status
	return p
}

// revision is the one that rolls out.
func (p *plan) revision() *v1alpha1.GroupRevision { return &p.next.Revision }

// rollout is how the group wants it.
func (p *plan) rollout() *v1alpha1.Rollout { return &p.s.Group.Spec.Rollout }

// source names the group in a hold.
func (p *plan) source() string { return "ServerGroup/" + p.s.Group.Name }

// wake asks for another look at a time.
func (p *plan) wake(at time.Time) {
	if at.After(p.s.Now) && (p.decision.Wake.IsZero() || at.Before(p.decision.Wake)) {
		p.decision.Wake = at
	}
}

// tell adds an event.
func (p *plan) tell(warning bool, reason, message string) {
	p.decision.Events = append(p.decision.Events, Event{Warning: warning, Reason: reason, Message: bounded(message, messageLimit)})
}

// find gives the index of the member of that name, -1 for none.
func (p *plan) find(name string) int {
	i, found := slices.BinarySearchFunc(p.members, name, func(m member, name string) int {
		return strings.Compare(m.server.Name, name)
	})
	if !found {
		return -1
	}
	return i
}

// ceil gives a time in whole seconds, never before the time itself: a wait is never shorter than it
// was meant.
func ceil(t time.Time) metav1.Time {
	whole := t.Truncate(time.Second)
	if whole.Before(t) {
		whole = whole.Add(time.Second)
	}
	return metav1.NewTime(whole)
}

const (
	// messageLimit bounds what a hold or an event says.
	messageLimit = 1024
	// leftLimit bounds what is kept of a message with each server that is left.
	leftLimit = 256
)

// bounded cuts a text to a length that a status can carry.
func bounded(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-3], "") + "…"
}
