package controllers

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/operation"
)

var (
	operationsEnded = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "stargate_operations_ended_total", Help: "Operations that ended, by datacenter, action and phase.",
	}, []string{"datacenter", "operation", "phase"})
	operationSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "stargate_operation_duration_seconds", Help: "Time from an Operation's first attempt to its end.",
		Buckets: prometheus.ExponentialBuckets(1, 2, 14),
	}, []string{"datacenter", "operation"})
	holdsWritten = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "stargate_holds_total", Help: "Times that an Operation began to wait, by reason.",
	}, []string{"reason"})
	siteCalls = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "stargate_site_calls_total", Help: "Calls to sites, by datacenter, call and kind of outcome.",
	}, []string{"datacenter", "call", "outcome"})
	siteActive = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "stargate_site_active_operations", Help: "Operations that have a place at a site, as last counted.",
	}, []string{"datacenter"})
)

func init() {
	metrics.Registry.MustRegister(operationsEnded, operationSeconds, holdsWritten, siteCalls, siteActive)
}

func observeCall(site string, kind operation.CallKind, err error) {
	outcome := "ok"
	if err != nil {
		outcome = string(drivers.KindOf(err))
	}
	siteCalls.WithLabelValues(site, string(kind), outcome).Inc()
}

// observeWrite counts what a status write says.
func observeWrite(before, after *v1alpha1.Operation) {
	if len(after.Status.Holds) > 0 && (len(before.Status.Holds) == 0 || before.Status.Holds[0].Reason != after.Status.Holds[0].Reason) {
		holdsWritten.WithLabelValues(after.Status.Holds[0].Reason).Inc()
	}
	if before.Status.Phase.Terminal() || !after.Status.Phase.Terminal() {
		return
	}
	action := string(after.Spec.Operation)
	operationsEnded.WithLabelValues(after.Namespace, action, string(after.Status.Phase)).Inc()
	if after.Status.StartTime != nil && after.Status.CompletionTime != nil {
		operationSeconds.WithLabelValues(after.Namespace, action).
			Observe(after.Status.CompletionTime.Sub(after.Status.StartTime.Time).Seconds())
	}
}
