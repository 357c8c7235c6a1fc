package rollout_test

import (
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// calm: the faults cease, people put right what they broke, approve and resume. Every server that can have
// the content has it within bounded steps, and then nothing more happens.
func (h *history) calm(t *rapid.T) {
	h.story = append(h.story, "calm")
	h.putRight()
	quiet := 0
	for range 600 {
		before := h.group
		d := h.pass(t, lag{}, false, false)
		moved := h.group != before || len(d.Create)+len(d.Cancel) > 0
		for _, name := range slices.Sorted(maps.Keys(h.ops)) {
			op := h.ops[name]
			switch {
			case op.Status.Phase.Terminal():
				continue
			case h.unrecorded(op):
				h.record(name, v1alpha1.OperationSucceeded, "")
				h.finish(name)
			case op.Status.Phase == v1alpha1.OperationRunning:
				h.finishAnyhow(name)
			default:
				h.through(name, v1alpha1.OperationSucceeded, "")
			}
			moved = moved || h.ops[name] != op
		}
		h.judge(t)
		moved = h.help(&d) || moved
		if !moved && !d.Wake.IsZero() {
			h.now, moved = d.Wake, true
		}
		if h.now = h.now.Add(time.Millisecond); moved {
			quiet = 0
		} else if quiet++; quiet > 2 {
			h.ended(t, &d)
			return
		}
	}
	t.Fatalf("no end\n%s", h.tell())
}

// finishAnyhow ends an Operation whose machine is no longer there to say how.
func (h *history) finishAnyhow(name string) {
	s := h.servers[h.ops[name].Spec.ServerRef.Name]
	if s != nil && s.Status.LastOperation != nil && s.Status.LastOperation.Name == name {
		h.finish(name)
		return
	}
	phase := v1alpha1.OperationSucceeded
	for _, w := range h.wiped {
		if w.op == name && w.failed {
			phase = v1alpha1.OperationFailed
		}
	}
	h.endOp(name, phase, string(phase), "")
}

func (h *history) putRight() {
	h.editGroup(func(g *v1alpha1.ServerGroup) { g.Spec.Rollout.Paused = false })
	if h.fleet != nil {
		h.fleet = h.fleet.DeepCopy()
		h.fleet.Spec.Suspend = false
		h.commit(h.spec.OSVersion, true)
	}
	h.shared = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(h.servers)) {
		h.change(name, "unpaused", "")
		h.change(name, "fixed", "")
		h.release(name)
		if h.servers[name].Status.State == v1alpha1.ServerUnreachable {
			h.change(name, "state", "ready")
		}
	}
}

// help does what a hold asks a person for.
func (h *history) help(d *rollout.Decision) bool {
	before := h.group
	for _, hold := range d.Status.Holds {
		switch {
		case hold.Source == "Guard":
			h.annotate(v1alpha1.AnnotationApprove, rollout.ApproveToken(&h.group.Status))
		case hold.Reason == v1alpha1.ReasonApprovalRequired:
			h.annotate(v1alpha1.AnnotationApprove, rollout.WaveToken(&h.group.Status, h.group.Status.Wave))
		case hold.Reason == v1alpha1.ReasonTooManyFailures:
			h.annotate(v1alpha1.AnnotationResume, rollout.ResumeToken(&h.group.Status))
		}
	}
	if len(h.group.Status.Left) > 0 && len(d.Status.Holds) == 0 && len(d.Status.InFlight) == 0 {
		h.annotate(v1alpha1.AnnotationResume, rollout.ResumeToken(&h.group.Status))
	}
	return h.group != before
}

// ended: every server has the content but for those that drifted, and the group says so.
func (h *history) ended(t *rapid.T, d *rollout.Decision) {
	st := &h.group.Status
	if st.Updated+st.Drifted != st.Servers || len(st.InFlight)+len(st.Left)+len(st.Holds) > 0 {
		t.Fatalf("it ends otherwise\n%s", h.tell())
	}
	if st.Drifted > 0 && h.group.Spec.Rollout.OnDrift == v1alpha1.DriftRepave {
		t.Fatalf("drift is left\n%s", h.tell())
	}
	if len(d.Confirm) > 0 || st.Revision.ProfileHash != h.profile.Hash {
		t.Fatalf("it ends with another content\n%s", h.tell())
	}
	for _, s := range selected(h.group, h.servers) {
		if s.Status.Applied == nil || s.Status.Applied.Hash != h.profile.Hash && !h.hands[s.Name] {
			t.Fatalf("%s ends without the content\n%s", s.Name, h.tell())
		}
	}
	h.accounts(t)
}
