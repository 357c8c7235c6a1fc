package rollout_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// twin takes servers as the budget's definition says, counting everything anew for each.
func twin(servers []*v1alpha1.Server, limit, perRack, guard int) []string {
	down := func(s *v1alpha1.Server) bool {
		return s.Status.State != "" && (s.Status.State != v1alpha1.ServerReady || s.Spec.Maintenance)
	}
	taken := map[string]bool{}
	var took []string
	for _, s := range servers {
		if s.Spec.Paused || s.Spec.Maintenance || s.Status.Applied != nil && s.Status.Applied.Hash == hashOf("2") {
			continue
		}
		taken[s.Name] = true
		all, rack := 0, 0
		for _, o := range servers {
			if down(o) || taken[o.Name] {
				all++
				if o.Labels["rack"] == s.Labels["rack"] {
					rack++
				}
			}
		}
		if all > limit || len(taken) > limit || perRack > 0 && rack > perRack || len(took) >= guard {
			delete(taken, s.Name)
			continue
		}
		took = append(took, s.Name)
	}
	return took
}

// TestTakesAsItsTwin compares what is taken with what the definition says.
func TestTakesAsItsTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		w.setProfile("2")
		limit, perRack := rapid.IntRange(1, 6).Draw(t, "limit"), rapid.IntRange(0, 3).Draw(t, "per rack")
		guard := rapid.IntRange(0, 12).Draw(t, "guard")
		for i := range rapid.IntRange(1, 12).Draw(t, "servers") {
			s := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("s-%02d", i), UID: w.uid(), Labels: map[string]string{"role": "web"}}}
			if rack := rapid.SampledFrom([]string{"", "r1", "r2", "r3"}).Draw(t, "rack"); rack != "" {
				s.Labels["rack"] = rack
			}
			s.Status.State = rapid.SampledFrom([]v1alpha1.ServerState{"", "ready", "ready", "ready", "ready", "off", "unreachable"}).Draw(t, "state")
			if s.Status.State != "" {
				s.Status.Applied = &v1alpha1.Applied{Hash: hashOf(rapid.SampledFrom([]string{"1", "1", "2"}).Draw(t, "runs"))}
			}
			hands := rapid.IntRange(0, 9).Draw(t, "hands off")
			s.Spec.Paused, s.Spec.Maintenance = hands == 0, hands == 1
			w.servers[s.Name] = s
		}
		most, released := intstr.FromInt(limit), intstr.FromInt(guard)
		w.group.Spec.Rollout.MaxUnavailable = &most
		if perRack > 0 {
			w.group.Spec.Rollout.SpreadBy, w.group.Spec.Rollout.MaxUnavailablePerSpread = "rack", int32(perRack)
		}
		s := w.snapshot()
		s.Fleet = &v1alpha1.Fleet{}
		s.Fleet.Spec.Guard.MaxRepaves = &released
		var took []string
		for _, op := range rollout.Decide(s).Create {
			took = append(took, op.Spec.ServerRef.Name)
		}
		if want := twin(s.Servers, limit, perRack, guard); fmt.Sprint(took) != fmt.Sprint(want) {
			t.Fatalf("took %v, the definition says %v", took, want)
		}
	})
}
