package rollout_test

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// checkDecision: what is made is in the status first, and what waits says for what.
func (h *history) checkDecision(t *rapid.T, d *rollout.Decision) {
	slots := map[string]bool{}
	for _, slot := range d.Status.InFlight {
		slots[slot.Operation] = true
	}
	for _, op := range d.Create {
		if !slots[op.Name] {
			t.Fatalf("%s is made and not in the status\n%s", op.Name, h.tell())
		}
	}
	for _, hold := range d.Status.Holds {
		if hold.Source == "" || hold.Reason == "" || hold.Message == "" || hold.Until == nil && hold.ClearsWhen == "" {
			t.Fatalf("a hold that does not say what for: %+v\n%s", hold, h.tell())
		}
		if hold.Until != nil && hold.Until.After(h.now) && d.Wake.IsZero() {
			t.Fatalf("holds until %s and does not wake\n%s", hold.Until, h.tell())
		}
	}
	if !d.Wake.IsZero() && !d.Wake.After(h.now) {
		t.Fatalf("wakes at %s, which is past\n%s", d.Wake, h.tell())
	}
}

// checkAgain: asked again with what it decided, and nothing else changed, it decides the same. Where a slot
// was withdrawn of which the API server had said already that nothing was made, that takes one decision more.
func (h *history) checkAgain(t *rapid.T, s rollout.Snapshot, first *rollout.Decision) {
	made := map[string]bool{}
	for _, op := range first.Create {
		made[op.Name] = true
	}
	status := &h.group.Status
	for range 3 {
		s.Group = s.Group.DeepCopy()
		s.Group.Status = *status
		again := h.confirmed(s)
		next := stored(&again.Status)
		settled := equality.Semantic.DeepEqual(next, status)
		for _, op := range again.Create {
			if settled && !made[op.Name] {
				t.Fatalf("asked again, it makes %s\n%s", op.Name, h.tell())
			}
			made[op.Name] = true
		}
		if settled {
			return
		}
		if len(s.Gone) == 0 {
			t.Fatalf("asked again, it says otherwise: %+v\n%s", next, h.tell())
		}
		status = next
	}
	t.Fatalf("asked again and again, it says otherwise\n%s", h.tell())
}

// checkTaken judges what a pass took by what it saw and by the rules in force.
func (h *history) checkTaken(t *rapid.T, before *v1alpha1.ServerGroup, s *rollout.Snapshot) {
	had := map[string]bool{}
	for _, slot := range before.Status.InFlight {
		had[slot.Operation] = true
	}
	st := &h.group.Status
	took := 0
	for _, slot := range st.InFlight {
		if !had[slot.Operation] {
			took++
			h.checkServer(t, slot, s)
		}
	}
	if took == 0 {
		return
	}
	r, spec := &st.Revision, &h.group.Spec.Rollout
	if spec.Paused || s.Fleet != nil && (s.Fleet.Spec.Suspend || s.Profile.Apply > s.Fleet.Status.Applies || s.Profile.Hash != r.ProfileHash) {
		t.Fatalf("took %d while paused, suspended, of half a commit or of an edit\n%s", took, h.tell())
	}
	if spec.OnFailure == v1alpha1.FailurePause && r.Failures-r.Forgiven > spec.MaxFailures {
		t.Fatalf("took %d after %d failures\n%s", took, r.Failures, h.tell())
	}
	if len(st.InFlight) > h.limit {
		t.Fatalf("%d in flight of %d\n%s", len(st.InFlight), h.limit, h.tell())
	}
	allowance := rollout.Allowance(nil, s.Guarded)
	if s.Fleet != nil {
		allowance = rollout.Allowance(s.Fleet.Spec.Guard.MaxRepaves, s.Guarded)
	}
	if int(r.Made) > int(r.Released)+allowance {
		t.Fatalf("made %d, released %d and %d unasked\n%s", r.Made, r.Released, allowance, h.tell())
	}
}

// checkServer: nothing is taken that nobody saw, that is not the group's, that people keep hands off, or that
// has the content; and nobody before its turn.
func (h *history) checkServer(t *rapid.T, slot v1alpha1.InFlightServer, s *rollout.Snapshot) {
	at := slices.IndexFunc(s.Servers, func(o *v1alpha1.Server) bool { return o.Name == slot.Server })
	if at < 0 || string(s.Servers[at].UID) != slot.UID {
		t.Fatalf("took %s, which nobody saw\n%s", slot.Server, h.tell())
	}
	server := s.Servers[at]
	if server.Labels["role"] != "web" || handsOff(server) || h.shared[slot.Server] != "" {
		t.Fatalf("took %s, which it may not touch\n%s", slot.Server, h.tell())
	}
	if server.Status.Applied != nil && server.Status.Applied.Hash == h.group.Status.Revision.ProfileHash {
		t.Fatalf("took %s, which has the content\n%s", slot.Server, h.tell())
	}
	h.checkTurn(t, server, s)
}

func handsOff(s *v1alpha1.Server) bool {
	return s.Spec.Paused || s.Spec.Maintenance || s.Status.Quarantine != nil
}

// checkTurn: of every wave before a server's own, each server has the content, or cannot have it now; and the
// wave has soaked since the site was last at work on it.
func (h *history) checkTurn(t *rapid.T, taken *v1alpha1.Server, s *rollout.Snapshot) {
	st := &h.group.Status
	left := map[string]bool{}
	for _, l := range st.Left {
		left[l.Server] = true
	}
	before, soak := h.wavesBefore(taken, s)
	for _, o := range before {
		has := o.Status.Applied != nil && o.Status.Applied.Hash == st.Revision.ProfileHash
		if !has && !handsOff(o) && h.shared[o.Name] == "" && !left[o.Name] && !h.hands[o.Name] {
			t.Fatalf("took %s before %s, of an earlier wave, was done\n%s", taken.Name, o.Name, h.tell())
		}
	}
	if h.backwards {
		return
	}
	for _, w := range h.wiped {
		ours := strings.Contains(w.op, fmt.Sprintf("-%d-", st.Revision.Number))
		for i, o := range before {
			if ours && w.server == o.Name && w.uid == string(o.UID) && w.done && !w.failed && w.end.Add(soak[i]).After(h.now) {
				t.Fatalf("took %s %s after %s of an earlier wave, which was to soak for %s\n%s", taken.Name, h.now.Sub(w.end), o.Name, soak[i], h.tell())
			}
		}
	}
}

// revisionOf an Operation that a rollout made, as its name has it; empty for another's.
func revisionOf(op string) string {
	parts := strings.Split(op, "-")
	if len(parts) < 3 || !strings.HasPrefix(op, "s-") {
		return ""
	}
	return parts[len(parts)-2]
}

// judge asks the site's record what really happened.
func (h *history) judge(t *rapid.T) {
	running, racks := 0, map[string]int{}
	last := map[string]*wipe{}
	for i := range h.wiped {
		w := &h.wiped[i]
		rollouts := revisionOf(w.op) != ""
		if prior := last[w.uid]; rollouts && prior != nil && revisionOf(prior.op) == revisionOf(w.op) && !prior.failed {
			t.Fatalf("%s was wiped twice for revision %s: %s and %s\n%s", w.server, revisionOf(w.op), prior.op, w.op, h.tell())
		}
		last[w.uid] = w
		if rollouts && !w.done {
			running++
			racks[w.rack]++
			if h.perRack > 0 && racks[w.rack] > h.perRack {
				t.Fatalf("%d of rack %s are wiped at a time, %d may\n%s", racks[w.rack], w.rack, h.perRack, h.tell())
			}
		}
	}
	if running > h.limit {
		t.Fatalf("%d are wiped at a time, %d may\n%s", running, h.limit, h.tell())
	}
}

// accounts: each failure that the site saw of the last revision was counted, but for those of which both
// the Operation and the Server were deleted, so that nothing is left to tell.
func (h *history) accounts(t *rapid.T) {
	failed, lost := int32(0), int32(0)
	for _, w := range h.wiped {
		if !w.failed || revisionOf(w.op) != fmt.Sprint(h.group.Status.Revision.Number) {
			continue
		}
		failed++
		if s := h.servers[w.server]; h.ops[w.op] == nil && (s == nil || string(s.UID) != w.uid) {
			lost++
		}
	}
	if got := h.group.Status.Revision.Failures; got > failed || got < failed-lost {
		t.Fatalf("%d failures counted, the site saw %d\n%s", got, failed, h.tell())
	}
}

// wavesBefore gives, in the plainest way, the servers of the waves before a server's own, and for each how
// long its wave soaks.
func (h *history) wavesBefore(taken *v1alpha1.Server, s *rollout.Snapshot) ([]*v1alpha1.Server, []soakTime) {
	if h.group.Spec.Rollout.Order == v1alpha1.OrderShuffled {
		return nil, nil // sizes are dealt out by a hash
	}
	members := slices.DeleteFunc(slices.Clone(s.Servers), func(o *v1alpha1.Server) bool { return o.Labels["role"] != "web" })
	slices.SortFunc(members, func(a, b *v1alpha1.Server) int { return strings.Compare(a.Name, b.Name) })
	whole := len(members)
	var before []*v1alpha1.Server
	var soaks []soakTime
	for i := range h.group.Spec.Rollout.Waves {
		wave := &h.group.Spec.Rollout.Waves[i]
		var of, rest []*v1alpha1.Server
		room := max(whole*30/100, 1)
		selector, _ := wave.Selector.Selector()
		for _, o := range members {
			if wave.Selector != nil && selector.Matches(labels.Set(o.Labels)) || wave.Size != nil && len(of) < room {
				of = append(of, o)
			} else {
				rest = append(rest, o)
			}
		}
		if slices.Contains(of, taken) {
			return before, soaks
		}
		for _, o := range of {
			before = append(before, o)
			var soak soakTime
			if wave.Soak != nil {
				soak = wave.Soak.Duration
			}
			soaks = append(soaks, soak)
		}
		members = rest
	}
	return before, soaks
}
