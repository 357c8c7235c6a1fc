package rollout_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// BenchmarkDecide measures one decision in the middle of a rollout, with a selector wave, a size wave and
// racks, and a hundred servers in flight.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := large(n)
			b.ReportAllocs()
			for b.Loop() {
				if d := rollout.Decide(s); len(d.Status.InFlight) == 0 {
					b.Fatal("nothing is in flight")
				}
			}
		})
	}
}

// large is a group in the middle of its rollout.
func large(n int) rollout.Snapshot {
	w := newWorld()
	w.setProfile("2")
	most, guard, size := intstr.FromInt(100), intstr.FromString("100%"), intstr.FromString("10%")
	w.group.Spec.Rollout = v1alpha1.Rollout{MaxUnavailable: &most, SpreadBy: "rack", MaxUnavailablePerSpread: 10,
		Waves: []v1alpha1.Wave{
			{Name: "canary", Selector: &v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"canary": "yes"}}},
			{Name: "tenth", Size: &size},
		}}
	servers := make([]*v1alpha1.Server, n)
	for i := range servers {
		runs := "1"
		if i < n/2 {
			runs = "2"
		}
		servers[i] = &v1alpha1.Server{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("server-%06d", i), UID: types.UID(fmt.Sprint("uid", i)), Labels: map[string]string{"role": "web", "rack": fmt.Sprintf("r%d", i/40)}},
			Status: v1alpha1.ServerStatus{State: v1alpha1.ServerReady, Applied: &v1alpha1.Applied{Hash: hashOf(runs)},
				Conditions: []metav1.Condition{{Type: v1alpha1.ConditionHealthy, Status: metav1.ConditionTrue}, {Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}}},
		}
	}
	s := w.snapshot()
	s.Servers, s.Guarded = servers, n
	s.Fleet = &v1alpha1.Fleet{Spec: v1alpha1.FleetSpec{Guard: v1alpha1.Guard{MaxRepaves: &guard}}}
	first := rollout.Decide(s)
	w.write(&first.Status)
	w.carryOut(&first)
	s.Group, s.Operations = w.group, w.ops
	return s
}
