package controllers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/ledger"
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

var policyFindings = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "stargate_policy_findings_total", Help: "Operations that were let pass though a rule warns of, audits or, were it enforced, would keep them, by policy, rule and effect.",
}, []string{"policy", "rule", "effect"})

func observeNotice(notice ledger.Notice) {
	effect := string(notice.Effect)
	if notice.DryRun {
		effect = "DryRun" + effect
	}
	policyFindings.WithLabelValues(notice.Policy, notice.Rule, effect).Inc()
}

// groupServers and groupHolds tell of rollouts.
var (
	groupServers = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "stargate_group_servers", Help: "Servers of a ServerGroup, by what they are in its rollout.",
	}, []string{"datacenter", "group", "state"})
	groupHolds = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "stargate_group_holds_total", Help: "Times that a rollout began to wait, by reason.",
	}, []string{"reason"})
)

var hookSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
	Name: "stargate_hook_run_duration_seconds", Help: "How long runs of hooks took, by what they came to.",
	Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
}, []string{"hook", "outcome"})

func init() {
	metrics.Registry.MustRegister(hookSeconds, operationsEnded, operationSeconds, holdsWritten, siteCalls, siteActive, policyFindings, groupServers, groupHolds)
}

// observeGroup counts what a group's status is about to say.
func observeGroup(group *v1alpha1.ServerGroup, status *v1alpha1.ServerGroupStatus) {
	for state, n := range map[string]int32{"all": status.Servers, "updated": status.Updated, "ready": status.Ready, "unavailable": status.Unavailable,
		"active": status.Active, "failed": status.Failed, "drifted": status.Drifted, "skipped": status.Skipped} {
		groupServers.WithLabelValues(group.Namespace, group.Name, state).Set(float64(n))
	}
	if len(status.Holds) > 0 && (len(group.Status.Holds) == 0 || group.Status.Holds[0].Reason != status.Holds[0].Reason) {
		groupHolds.WithLabelValues(status.Holds[0].Reason).Inc()
	}
}

func forgetGroup(key types.NamespacedName) {
	groupServers.DeletePartialMatch(prometheus.Labels{"datacenter": key.Namespace, "group": key.Name})
}

func observeHook(name string, outcome operation.HookOutcome, took time.Duration) {
	hookSeconds.WithLabelValues(name, string(outcome)).Observe(took.Seconds())
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
