package controllers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"stargate.io/stargate/api/v1alpha1"
)

var (
	fleetSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "stargate_fleet_step_duration_seconds", Help: "How long a step of a sync took: resolve, fetch or apply.",
		Buckets: prometheus.ExponentialBuckets(0.005, 2, 14),
	}, []string{"fleet", "step"})
	fleetFailures = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "stargate_fleet_failures_total", Help: "Looks at a repository and applies that failed, by reason.",
	}, []string{"fleet", "reason"})
	fleetObjects = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "stargate_fleet_objects", Help: "Objects of the commit that is applied, by kind.",
	}, []string{"fleet", "kind"})
	fleetReady = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "stargate_fleet_ready", Help: "1 where the ref's commit is applied and every group has it.",
	}, []string{"fleet"})
)

func init() {
	metrics.Registry.MustRegister(fleetSeconds, fleetFailures, fleetObjects, fleetReady)
}

func observeStep(fleet, step string, took time.Duration) {
	fleetSeconds.WithLabelValues(fleet, step).Observe(took.Seconds())
}

// observeFleet counts what a status write says.
func observeFleet(before, after *v1alpha1.Fleet) {
	ready := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady)
	if after.Status.Failures > before.Status.Failures && ready != nil {
		fleetFailures.WithLabelValues(after.Name, ready.Reason).Inc()
	}
	value := 0.0
	if meta.IsStatusConditionTrue(after.Status.Conditions, v1alpha1.ConditionReady) {
		value = 1
	}
	fleetReady.WithLabelValues(after.Name).Set(value)
	if inventory := after.Status.Inventory; inventory != nil {
		fleetObjects.DeletePartialMatch(prometheus.Labels{"fleet": after.Name})
		for _, kind := range inventory.Kinds {
			fleetObjects.WithLabelValues(after.Name, kind.Kind).Set(float64(kind.Count))
		}
	}
}

// forgetFleet takes a Fleet that is gone out of the metrics.
func forgetFleet(name string) {
	for _, vector := range []interface {
		DeletePartialMatch(prometheus.Labels) int
	}{fleetSeconds, fleetFailures, fleetObjects, fleetReady} {
		vector.DeletePartialMatch(prometheus.Labels{"fleet": name})
	}
}
