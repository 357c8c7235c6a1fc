package forecast

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// lane is a group as the forecast goes on.
type lane struct {
	group    *v1alpha1.ServerGroup
	snapshot rollout.Snapshot
	machines []*machine
	// number of it among the lanes.
	number int
	// dirty: something changed since it was decided on.
	dirty bool
	// wake is when it wants to be decided on again; zero for never.
	wake time.Time
	// withdrawn Operations, whose end the planner is still to see.
	withdrawn []string
	waves     map[string]*wave
	order     []*wave
	approvals []string
	guarded   bool
	// In the beginning: up servers, those that were ever touched, and those that have what they should.
	up, touched, unchanged int
}

// wave of a lane.
type wave struct {
	name        string
	servers     []string
	start, done time.Time
	estimate    Estimate
	running     int
	peak        int
	heldBy      []v1alpha1.Hold
	approval    bool
}

// wave of that name; the order is that of the group's status.
func (l *lane) wave(name string) *wave {
	if found := l.waves[name]; found != nil {
		return found
	}
	made := &wave{name: name}
	l.waves[name] = made
	l.order = append(l.order, made)
	return made
}

// mostAtOnce bounds how often a group is decided on at one time: each round approves, confirms or takes
// up a wave.
const mostAtOnce = 200

// decide on a group until nothing follows from that by itself.
func (w *world) decide(l *lane) {
	l.dirty = false
	for range mostAtOnce {
		w.decisions++
		l.snapshot.Now = w.now
		decision := rollout.Decide(l.snapshot)
		before := l.group.Status
		l.group.Status = decision.Status
		l.forget()
		again := w.carryOut(l, &decision)
		again = l.approve() || again
		l.note()
		if !again && (len(decision.Create) > 0 || !moved(&before, &decision.Status)) {
			w.wakeAt(l, decision.Wake)
			return
		}
	}
}

// moved tells whether the rollout is at another point than before, from which more may follow.
func moved(before, after *v1alpha1.ServerGroupStatus) bool {
	if before.Revision.Number != after.Revision.Number || before.Wave != after.Wave || len(before.Waves) != len(after.Waves) ||
		before.Revision.Released != after.Revision.Released || len(before.Left) != len(after.Left) {
		return true
	}
	for i := range after.Waves {
		if before.Waves[i].State != after.Waves[i].State {
			return true
		}
	}
	return false
}

// carryOut makes and cancels Operations, and confirms that what is not there is not; it tells whether
// the group is to be decided on again.
func (w *world) carryOut(l *lane, decision *rollout.Decision) bool {
	for _, op := range decision.Create {
		w.made++
		op.UID = types.UID("forecast/" + l.group.Namespace + "/" + op.Name)
		op.CreationTimestamp = metav1.NewTime(w.now)
		l.snapshot.Operations[op.Name] = op
		m := w.machines[key{l.group.Namespace, op.Spec.ServerRef.Name}]
		r := &run{op: op, machine: m, lane: l, lanes: m.lanes, wave: l.wave(op.Annotations[rollout.AnnotationWave]), made: w.now, number: w.made,
			hash: op.Spec.Expected.ProfileHash, version: l.snapshot.Profile.OSVersion}
		w.ask(r)
	}
	for _, name := range decision.Cancel {
		w.cancel(l, name)
	}
	again := len(decision.Cancel) > 0
	for _, name := range decision.Confirm {
		if !l.snapshot.Gone[name] {
			l.snapshot.Gone[name], again = true, true
		}
	}
	return again
}

// forget what was withdrawn: the planner has seen its end.
func (l *lane) forget() {
	for _, name := range l.withdrawn {
		delete(l.snapshot.Operations, name)
	}
	l.withdrawn = l.withdrawn[:0]
}

// approve what waits for somebody's word: it is assumed to come at once.
func (l *lane) approve() bool {
	status := &l.group.Status
	for i := range status.Waves {
		if status.Waves[i].State == v1alpha1.WaveAwaitingApproval && l.say(rollout.WaveToken(status, status.Waves[i].Name)) {
			l.wave(status.Waves[i].Name).approval = true
			l.approvals = append(l.approvals, status.Waves[i].Name)
			return true
		}
	}
	for i := range status.Holds {
		hold := &status.Holds[i]
		if hold.Source == "Guard" && hold.Reason == v1alpha1.ReasonApprovalRequired && l.say(rollout.ApproveToken(status)) {
			if !l.guarded {
				l.guarded, l.approvals = true, append(l.approvals, "guard")
			}
			return true
		}
	}
	return false
}

// say that something is approved; false where it was said already.
func (l *lane) say(token string) bool {
	if l.group.Annotations[v1alpha1.AnnotationApprove] == token {
		return false
	}
	l.group.Annotations[v1alpha1.AnnotationApprove] = token
	l.group.Annotations[v1alpha1.AnnotationApprovedBy] = "the forecast"
	return true
}

// note what the group waits for, with the wave that waits.
func (l *lane) note() {
	status := &l.group.Status
	for i := range status.Waves {
		l.wave(status.Waves[i].Name)
	}
	name := status.Wave
	for i := range status.Waves {
		if state := status.Waves[i].State; name == "" && state != v1alpha1.WaveDone && state != v1alpha1.WaveStopped {
			name = status.Waves[i].Name
		}
	}
	if name == "" {
		return
	}
	for i := range status.Holds {
		waits := name
		if reason := status.Holds[i].Reason; reason == v1alpha1.ReasonSoaking || reason == v1alpha1.ReasonWaveUnhealthy {
			waits = after(status.Waves, name)
		}
		l.wave(waits).held(&status.Holds[i])
	}
}

// after gives the wave that comes after another; that other where it is the last.
func after(waves []v1alpha1.WaveStatus, name string) string {
	for i := range waves[:max(0, len(waves)-1)] {
		if waves[i].Name == name {
			return waves[i+1].Name
		}
	}
	return name
}

// mostHolds that a wave tells.
const mostHolds = 8

// held by something; once is enough.
func (w *wave) held(hold *v1alpha1.Hold) {
	for i := range w.heldBy {
		if had := &w.heldBy[i]; had.Source == hold.Source && had.Rule == hold.Rule && had.Reason == hold.Reason {
			return
		}
	}
	if len(w.heldBy) < mostHolds {
		w.heldBy = append(w.heldBy, *hold)
	}
}
