package forecast_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/plan/forecast"
)

var start = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

func hash(p *v1alpha1.ProvisioningProfile) (string, bool) {
	return "hash-of-" + p.Spec.OSVersion, p.Spec.OSVersion != "?"
}

// site of so many servers in groups of so many, all of which are to get another version.
func site(servers, each int, rollout v1alpha1.Rollout) forecast.Input {
	in := forecast.Input{Now: start, Hash: hash}
	for i := range (servers + each - 1) / each {
		name := fmt.Sprintf("group-%03d", i)
		g := &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: name, UID: types.UID(name)}}
		g.Spec.Selector.MatchLabels = map[string]v1alpha1.LabelValue{"group": v1alpha1.LabelValue(name)}
		g.Spec.ProvisioningProfileRef.Name = "web"
		g.Spec.Rollout = rollout
		in.Groups = append(in.Groups, g)
	}
	for i := range servers {
		name := fmt.Sprintf("server-%06d", i)
		in.Servers = append(in.Servers, &v1alpha1.Server{
			ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: name, UID: types.UID(name), Labels: map[string]string{
				"group": fmt.Sprintf("group-%03d", i/each), "rack": fmt.Sprintf("r%02d", i%each/4)}},
			Status: v1alpha1.ServerStatus{State: v1alpha1.ServerReady, Applied: &v1alpha1.Applied{Profile: "web", Hash: "hash-of-1", OSVersion: "1", At: metav1.NewTime(start.Add(-time.Hour))}},
		})
	}
	in.Profiles = []*v1alpha1.ProvisioningProfile{{ObjectMeta: metav1.ObjectMeta{Namespace: "dc", Name: "web"}, Spec: v1alpha1.ProvisioningProfileSpec{OSVersion: "2"}}}
	return in
}

func most(n int) *intstr.IntOrString {
	v := intstr.FromInt32(int32(n))
	return &v
}

func percent(s string) *intstr.IntOrString {
	v := intstr.FromString(s)
	return &v
}

func BenchmarkForecast(b *testing.B) {
	for _, size := range []struct {
		servers, each int
		most          string
	}{{1_000, 100, "10%"}, {10_000, 1_000, "10%"}, {100_000, 1_000, "10%"}, {100_000, 100_000, "1%"}} {
		b.Run(fmt.Sprintf("%d-servers/groups-of-%d", size.servers, size.each), func(b *testing.B) {
			in := site(size.servers, size.each, v1alpha1.Rollout{MaxUnavailable: percent(size.most)})
			var t forecast.Timeline
			for b.Loop() {
				t = forecast.Forecast(in)
			}
			var memory runtime.MemStats
			runtime.ReadMemStats(&memory)
			if !t.Complete || len(t.Starts) != size.servers {
				b.Fatalf("%d of %d servers started; complete: %t; %v", len(t.Starts), size.servers, t.Complete, t.Groups[0].Holds)
			}
			b.ReportMetric(float64(memory.Sys)/(1<<20), "sys-MiB")
			b.ReportMetric(float64(t.Decisions), "decisions")
		})
	}
}

// BenchmarkOneAtATime is the dearest rollout: as many decisions as servers.
func BenchmarkOneAtATime(b *testing.B) {
	for _, servers := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("%d-servers/groups-of-1000", servers), func(b *testing.B) {
			in := site(servers, 1_000, v1alpha1.Rollout{MaxUnavailable: most(1)})
			for b.Loop() {
				if t := forecast.Forecast(in); !t.Complete || len(t.Starts) != servers {
					b.Fatalf("%d of %d servers started", len(t.Starts), servers)
				}
			}
		})
	}
}
