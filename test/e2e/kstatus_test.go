package e2e

import (
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
)

// shows fails unless kstatus, with which Flux and Argo CD compute readiness, makes that of an object.
func (r *Room) shows(object client.Object, want status.Status) {
	r.Helper()
	r.Refresh(object)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		r.Fatal(err)
	}
	result, err := status.Compute(&unstructured.Unstructured{Object: content})
	if err != nil {
		r.Fatal(err)
	}
	if result.Status != want {
		r.Errorf("kstatus makes %s of %T %s, not %s: %s", result.Status, object, object.GetName(), want, result.Message)
	}
}

// TestKstatus: tools that know nothing of Stargate come to the right answer at each stage.
func TestKstatus(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Start()
	server, dc := r.Server(1), r.DC()
	r.UntilCondition(dc, &dc.Status.Conditions, v1alpha1.ConditionReady, v1alpha1.ReasonReady)
	r.shows(dc, status.CurrentStatus)
	r.Create(server)
	r.shows(server, status.CurrentStatus)

	r.fault(site.Fault{Kind: site.Lie, Sort: site.LieRunning})
	running, waiting := r.Repave("running", 1), r.Repave("waiting", 1)
	r.Create(running)
	r.UntilPhase(running, v1alpha1.OperationRunning)
	r.shows(running, status.InProgressStatus)
	r.Until(server, "claimed", func() bool { return server.Status.ActiveOperation != nil })
	r.shows(server, status.InProgressStatus)
	r.Create(waiting)
	r.UntilHeld(waiting, v1alpha1.ReasonServerBusy)
	r.shows(waiting, status.InProgressStatus)
	r.Edit(waiting, func() { waiting.Spec.Cancel = true })
	r.UntilPhase(waiting, v1alpha1.OperationCancelled)
	r.shows(waiting, status.FailedStatus)
	r.Site.ClearFaults()
	succeeds(r, running)
	r.shows(running, status.CurrentStatus)
	r.shows(server, status.CurrentStatus)

	r.fault(site.Fault{Kind: site.FailJob, Stage: "install", Count: 1})
	failed := r.Repave("failed", 1)
	r.Create(failed)
	r.UntilPhase(failed, v1alpha1.OperationFailed)
	r.shows(failed, status.FailedStatus)
	r.shows(server, status.FailedStatus)
	// An edit of what has ended is seen, and changes nothing of the answer.
	r.Edit(failed, func() { failed.Spec.Priority = 3 })
	r.Until(failed, "seen", func() bool { return failed.Status.ObservedGeneration == failed.Generation })
	r.shows(failed, status.FailedStatus)

	r.fault(site.Fault{Kind: site.Refuse})
	r.Edit(dc, func() { dc.Spec.Reason = "so that it is asked now" })
	r.Until(dc, "unreachable", func() bool {
		return len(dc.Status.Conditions) > 0 && dc.Status.ObservedGeneration == dc.Generation
	})
	r.shows(dc, status.InProgressStatus)
}

// TestKubectlWait: the conditions that people wait for by name.
func TestKubectlWait(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Start()
	held, done, failed := r.Repave("held", 1), r.Repave("done", 2), r.Repave("failed", 3)
	r.fault(site.Fault{Kind: site.FailJob, Server: "server-003"})
	paused := r.Server(1)
	paused.Spec.Paused = true
	r.Create(paused, r.Server(2), r.Server(3), held, done, failed)
	for name, condition := range map[string]string{"held": "Held", "done": "Completed", "failed": "Failed"} {
		kubectl(t, r.Cluster, "wait", "--for=condition="+condition, "--timeout=60s", "-n", r.Namespace, "operations.stargate.io/"+name)
	}
	kubectl(t, r.Cluster, "wait", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s", "-n", r.Namespace, "op/done")
}
