package rollout_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

type soakTime = time.Duration

// happening is something that happens to a history.
type happening struct {
	name   string
	happen func(*history, *rapid.T)
}

// happenings of a history. Passes and Operations that go on are there more than once, so that something
// gets done in between.
var happenings = []happening{
	{"pass", happenPass}, {"pass", happenPass}, {"pass", happenPass},
	{"lagging pass", happenLaggingPass}, {"lagging pass", happenLaggingPass}, {"lagging pass", happenLaggingPass},
	{"op looks", happenLook}, {"op looks", happenLook}, {"op looks", happenLook},
	{"op ends", happenEnd}, {"op ends", happenEnd}, {"op ends", happenEnd},
	{"op recorded", happenRecord},
	{"op denied or cancelled", happenDeny},
	{"op gone", happenGone}, {"op gone", happenGone},
	{"commit", happenCommit},
	{"time", happenTime}, {"time", happenTime},
	{"server", happenServer}, {"server", happenServer},
	{"person", happenPerson}, {"person", happenPerson},
}

func happenPass(h *history, t *rapid.T) { h.pass(t, lag{}, false, false) }

func happenLaggingPass(h *history, t *rapid.T) {
	age := rapid.IntRange(0, 4)
	old := lag{age.Draw(t, "servers"), age.Draw(t, "ops"), age.Draw(t, "profile"), age.Draw(t, "fleet")}
	fault := rapid.IntRange(0, 5).Draw(t, "fault")
	h.pass(t, old, fault == 0, fault == 1)
}

// pick one of the Operations for which something is true; empty for none.
func (h *history) pick(t *rapid.T, which func(*v1alpha1.Operation) bool) string {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(h.ops)) {
		if which(h.ops[name]) {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return rapid.SampledFrom(found).Draw(t, "operation")
}

func pending(op *v1alpha1.Operation) bool { return op.Status.Phase == v1alpha1.OperationPending }

func happenLook(h *history, t *rapid.T) {
	if name := h.pick(t, pending); name != "" {
		h.lookAt(name)
		h.story = append(h.story, fmt.Sprintf("%s: %s", name, h.ops[name].Status.Phase))
	}
}

// unrecorded Operations run at the site.
func (h *history) unrecorded(op *v1alpha1.Operation) bool {
	s := h.servers[op.Spec.ServerRef.Name]
	return op.Status.Phase == v1alpha1.OperationRunning && s != nil && s.Status.ActiveOperation != nil && s.Status.ActiveOperation.Name == op.Name
}

// happenEnd ends a job at the site, and sometimes the Operation with it.
func happenEnd(h *history, t *rapid.T) {
	name := h.pick(t, h.unrecorded)
	if name == "" {
		return
	}
	phase := rapid.SampledFrom([]v1alpha1.OperationPhase{v1alpha1.OperationSucceeded, v1alpha1.OperationSucceeded, v1alpha1.OperationSucceeded, v1alpha1.OperationFailed}).Draw(t, "phase")
	h.record(name, phase, "as the site says")
	h.story = append(h.story, fmt.Sprintf("%s: recorded %s", name, phase))
	if rapid.Bool().Draw(t, "at once") {
		h.finish(name)
	}
}

// happenRecord ends an Operation of which the outcome is recorded.
func happenRecord(h *history, t *rapid.T) {
	name := h.pick(t, func(op *v1alpha1.Operation) bool {
		s := h.servers[op.Spec.ServerRef.Name]
		return op.Status.Phase == v1alpha1.OperationRunning && s != nil && s.Status.LastOperation != nil && s.Status.LastOperation.Name == op.Name
	})
	if name != "" {
		h.finish(name)
		h.story = append(h.story, name+": ended")
	}
}

func happenDeny(h *history, t *rapid.T) {
	name := h.pick(t, pending)
	if name == "" {
		return
	}
	if rapid.Bool().Draw(t, "denied") {
		h.endOp(name, v1alpha1.OperationDenied, v1alpha1.ReasonDenied, "denied")
	} else {
		h.editOp(name, func(op *v1alpha1.Operation) { op.Spec.Cancel = true })
	}
	h.story = append(h.story, name+": denied or cancelled")
}

// happenGone removes an Operation that has ended, or that nothing was done for.
func happenGone(h *history, t *rapid.T) {
	name := h.pick(t, func(op *v1alpha1.Operation) bool { return op.Status.Phase.Terminal() || pending(op) })
	if name != "" {
		delete(h.ops, name)
		h.story = append(h.story, name+": gone")
	}
}

func happenCommit(h *history, t *rapid.T) {
	version := rapid.SampledFrom([]string{"1.0.0", "2.0.0", "3.0.0"}).Draw(t, "version")
	whole := rapid.IntRange(0, 3).Draw(t, "whole") > 0
	h.commit(version, whole)
	h.story = append(h.story, fmt.Sprintf("commit %s, whole %v", version, whole))
}

func happenTime(h *history, t *rapid.T) {
	by := rapid.SampledFrom([]time.Duration{100 * time.Millisecond, time.Second, time.Minute, 10 * time.Minute, time.Hour, -time.Hour, -time.Second}).Draw(t, "time")
	h.now, h.backwards = h.now.Add(by), h.backwards || by < 0
	h.story = append(h.story, fmt.Sprintf("time %s", by))
}

// happenServer changes a server: it joins, leaves, is made anew, is kept, is let go, goes down, comes back.
func happenServer(h *history, t *rapid.T) {
	i := rapid.IntRange(0, 11).Draw(t, "server")
	name := fmt.Sprintf("s-%02d", i)
	s := h.servers[name]
	if s == nil {
		h.join(t, i)
		return
	}
	busy := s.Status.ActiveOperation != nil
	what := rapid.SampledFrom([]string{"gone", "role", "back", "paused", "unpaused", "maintenance", "fixed", "off", "on", "release", "repaved", "shared", "unshared"}).Draw(t, "what")
	h.story = append(h.story, fmt.Sprintf("%s: %s", name, what))
	switch {
	case what == "role":
		h.change(name, "role", "db")
	case what == "back":
		h.change(name, "role", "web")
	case what == "shared":
		h.change(name, what, "other")
	case what == "off" && s.Status.State == v1alpha1.ServerReady:
		h.change(name, "state", "unreachable")
	case what == "on" && s.Status.State == v1alpha1.ServerUnreachable:
		h.change(name, "state", "ready")
	case what == "repaved" && !busy && !handsOff(s):
		h.repavedByHand(name, rapid.SampledFrom([]string{"0.9.0", "1.0.0", "2.0.0"}).Draw(t, "by hand"))
		h.hands[name] = true
		h.wiped = append(h.wiped, wipe{server: name, uid: string(s.UID), op: "by hand", done: true, end: h.now})
	case what == "repaved", what == "off", what == "on", what == "gone" && busy:
	default:
		h.change(name, what, "")
	}
}

// happenPerson: somebody approves, resumes, pauses, suspends.
func happenPerson(h *history, t *rapid.T) {
	switch rapid.SampledFrom([]string{"approve", "approve wave", "resume", "pause", "unpause", "suspend", "unsuspend"}).Draw(t, "person") {
	case "approve":
		h.annotate(v1alpha1.AnnotationApprove, rollout.ApproveToken(&h.group.Status))
	case "approve wave":
		h.annotate(v1alpha1.AnnotationApprove, rollout.WaveToken(&h.group.Status, "wave-0"))
	case "resume":
		h.annotate(v1alpha1.AnnotationResume, rollout.ResumeToken(&h.group.Status))
	case "pause":
		h.editGroup(func(g *v1alpha1.ServerGroup) { g.Spec.Rollout.Paused = true })
	case "unpause":
		h.editGroup(func(g *v1alpha1.ServerGroup) { g.Spec.Rollout.Paused = false })
	case "suspend", "unsuspend":
		if h.fleet != nil {
			h.fleet = h.fleet.DeepCopy()
			h.fleet.Spec.Suspend = !h.fleet.Spec.Suspend
		}
	}
}

func (h *history) annotate(key, value string) {
	h.story = append(h.story, key+"="+value)
	h.editGroup(func(g *v1alpha1.ServerGroup) { g.Annotations[key] = value })
}
