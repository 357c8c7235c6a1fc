package rollout_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// history is a random course of one world: a controller that crashes and sees old caches, people, commits,
// a site, a clock. It is judged by the site's record alone.
type history struct {
	*world
	// seen are older states of Servers and Operations, as a lagging cache shows them.
	seen []view
	// rules that were in force, for the judge.
	limit, perRack int
	// backwards: the clock was set back, and no wall clock tells how long a soak was.
	backwards bool
	// hands are the servers that people repaved.
	hands map[string]bool
	story []string
}

// view is what a cache may show.
type view struct {
	servers map[string]*v1alpha1.Server
	ops     map[string]*v1alpha1.Operation
	profile rollout.Profile
	spec    v1alpha1.ProvisioningProfileSpec
	fleet   *v1alpha1.Fleet
}

// TestHistories shows what never happens in any of them, and that each ends once its faults cease.
func TestHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHistory(t)
		h.look()
		for range rapid.IntRange(5, 60).Draw(t, "steps") {
			step := rapid.SampledFrom(happenings).Draw(t, "happening")
			step.happen(h, t)
			h.judge(t)
			h.look()
		}
		h.calm(t)
	})
}

func newHistory(t *rapid.T) *history {
	h := &history{world: newWorld(), hands: map[string]bool{}}
	h.setProfile("1.0.0")
	if rapid.Bool().Draw(t, "fleet") {
		h.fleet = &v1alpha1.Fleet{ObjectMeta: metav1.ObjectMeta{Name: "prod"}}
		h.editGroup(func(g *v1alpha1.ServerGroup) { g.Labels = map[string]string{v1alpha1.LabelFleet: "prod"} })
		guard := rapid.SampledFrom([]string{"100%", "10%", "2"}).Draw(t, "guard")
		limit := intstr.Parse(guard)
		h.fleet.Spec.Guard.MaxRepaves = &limit
	}
	h.limit = rapid.IntRange(1, 4).Draw(t, "max unavailable")
	most := intstr.FromInt(h.limit)
	r := &h.group.Spec.Rollout
	r.MaxUnavailable = &most
	r.MaxFailures = int32(rapid.IntRange(0, 2).Draw(t, "max failures"))
	r.OnFailure = rapid.SampledFrom([]v1alpha1.FailureAction{v1alpha1.FailurePause, v1alpha1.FailurePause, v1alpha1.FailureContinue}).Draw(t, "on failure")
	r.OnDrift = rapid.SampledFrom([]v1alpha1.DriftAction{v1alpha1.DriftReport, v1alpha1.DriftRepave}).Draw(t, "on drift")
	r.Order = rapid.SampledFrom([]v1alpha1.RolloutOrder{v1alpha1.OrderName, v1alpha1.OrderOldestFirst, v1alpha1.OrderShuffled}).Draw(t, "order")
	if rapid.Bool().Draw(t, "spread") {
		h.perRack = rapid.IntRange(1, 2).Draw(t, "per rack")
		r.SpreadBy, r.MaxUnavailablePerSpread = "rack", int32(h.perRack)
	}
	size := intstr.FromString("30%")
	for i := range rapid.IntRange(0, 2).Draw(t, "waves") {
		wave := v1alpha1.Wave{Name: fmt.Sprintf("wave-%d", i), Size: &size}
		if rapid.Bool().Draw(t, "by selector") {
			wave.Size, wave.Selector = nil, &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"rack": v1alpha1.LabelValue(fmt.Sprintf("r%d", i))}}
		}
		if rapid.Bool().Draw(t, "soaks") {
			wave.Soak = &metav1.Duration{Duration: 10 * time.Minute}
		}
		if rapid.IntRange(0, 3).Draw(t, "needs approval") == 0 {
			wave.Approval = v1alpha1.ApprovalRequired
		}
		r.Waves = append(r.Waves, wave)
	}
	for i := range rapid.IntRange(1, 10).Draw(t, "servers") {
		h.join(t, i)
	}
	h.commit("1.0.0", true)
	return h
}

// join adds a server, untouched or running something.
func (h *history) join(t *rapid.T, i int) {
	name := fmt.Sprintf("s-%02d", i)
	if h.servers[name] != nil {
		return
	}
	s := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Name: name, UID: h.uid(), Labels: map[string]string{"role": "web", "rack": fmt.Sprintf("r%d", i%3)}}}
	if runs := rapid.SampledFrom([]string{"", "1.0.0", "0.9.0"}).Draw(t, "runs"); runs != "" {
		s.Status.State = v1alpha1.ServerReady
		s.Status.Applied = &v1alpha1.Applied{Hash: hashOf(runs), OSVersion: runs, Operation: name + "-0badf00d-1-1", At: metav1.NewTime(h.now.Add(-time.Hour))}
	}
	h.servers[name] = s
}

// commit another content: written half or whole, released as forecast.
func (h *history) commit(version string, whole bool) {
	if h.fleet == nil {
		h.setProfile(version)
		return
	}
	h.fleet = h.fleet.DeepCopy()
	number := h.fleet.Status.Applies + 1
	h.profile.Apply = number
	h.setProfile(version)
	if !whole {
		return
	}
	release := rollout.Release{Apply: number, Repaves: int32(len(h.servers)), Members: "m"}
	h.editGroup(func(g *v1alpha1.ServerGroup) {
		release.Inputs = rollout.Inputs(g, &h.spec)
		g.Annotations[v1alpha1.AnnotationReleased] = release.String()
	})
	h.fleet.Status.Applies = number
}

// look remembers what a cache may show later.
func (h *history) look() {
	h.seen = append(h.seen, view{maps.Clone(h.servers), maps.Clone(h.ops), h.profile, h.spec, h.fleet})
	if len(h.seen) > 6 {
		h.seen = h.seen[1:]
	}
}

// lag is how old each cache is, in steps.
type lag struct{ servers, ops, profile, fleet int }

// at gives what a cache of that age shows; 0 is the present.
func (h *history) at(age int) view {
	if age == 0 {
		return view{h.servers, h.ops, h.profile, h.spec, h.fleet}
	}
	return h.seen[max(len(h.seen)-age, 0)]
}

// pass is one pass of the group's controller, with caches as old as said; it may lose the race for the
// status, or die after it wrote it.
func (h *history) pass(t *rapid.T, old lag, conflict, crash bool) rollout.Decision {
	servers := h.at(old.servers).servers
	s := h.snapshotOf(servers, h.at(old.ops).ops)
	s.Profile = h.at(old.profile).profile
	spec := h.at(old.profile).spec
	s.Profile.Inputs = rollout.Inputs(h.group, &spec)
	s.Fleet = h.at(old.fleet).fleet
	group := s.Group.DeepCopy()
	d := h.confirmed(s)
	if !equality.Semantic.DeepEqual(group, s.Group) {
		t.Fatalf("a decision changed what it was made on\n%s", h.tell())
	}
	h.checkDecision(t, &d)
	if conflict {
		return d
	}
	before := h.group
	h.write(&d.Status)
	h.checkTaken(t, before, &s)
	h.checkAgain(t, s, &d)
	h.story = append(h.story, fmt.Sprintf("pass %+v crash=%v: made %d, cancelled %d", old, crash, len(d.Create), len(d.Cancel)))
	if !crash {
		h.carryOut(&d)
	}
	return d
}

// tell the story so far.
func (h *history) tell() string {
	return strings.Join(h.story, "\n") + "\n" + verbStatus(h.world, nil)
}
