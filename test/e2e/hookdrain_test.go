package e2e

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"stargate.io/stargate/api/v1alpha1"
)

const drainScript = `
function run(ctx)
  kube.cordon()
  local left = kube.drain{force = true}
  if left > 0 then
    return ctx.wait("1s", left .. " pods left")
  end
  return ctx.done()
end
`

// TestRepaveWaitsForADisruptionBudget: a hook drains the node that the server is. While a budget holds a pod, the
// Operation says so and nothing is sent to the site; once it frees the pod, the server is repaved.
func TestRepaveWaitsForADisruptionBudget(t *testing.T) {
	t.Parallel()
	h := newHooked(t)
	kube, node := kubernetes.NewForConfigOrDie(h.Cluster.Config), "node-of-"+h.Namespace
	do := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	do(kube.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}}, metav1.CreateOptions{}))
	t.Cleanup(func() { _ = kube.CoreV1().Nodes().Delete(context.Background(), node, metav1.DeleteOptions{}) })
	server := h.server(1)
	server.Status.NodeName = node
	do(nil, h.Client.Status().Update(t.Context(), server))
	label := map[string]string{"app": "db"}
	pod, err := kube.CoreV1().Pods(h.Namespace).Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db", Labels: label},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "example.com/c"}}}}, metav1.CreateOptions{})
	do(pod, err)
	pod.Status.Phase, pod.Status.Conditions = corev1.PodRunning, []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	do(kube.CoreV1().Pods(h.Namespace).UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}))
	budget, err := kube.PolicyV1().PodDisruptionBudgets(h.Namespace).Create(t.Context(), &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: ptr.To(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: label}}}, metav1.CreateOptions{})
	do(budget, err)
	allow := func(allowed int32) {
		t.Helper()
		budget.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: budget.Generation, DisruptionsAllowed: allowed, CurrentHealthy: 1 + allowed, DesiredHealthy: 1, ExpectedPods: 1 + allowed}
		budget, err = kube.PolicyV1().PodDisruptionBudgets(h.Namespace).UpdateStatus(t.Context(), budget, metav1.UpdateOptions{})
		do(budget, err)
	}
	allow(0)

	hook := h.hook("drain", v1alpha1.HookBefore, func(s *v1alpha1.HookSpec) {
		s.Script, s.Allow = drainScript, v1alpha1.HookAllow{Kubernetes: []v1alpha1.KubernetesVerb{v1alpha1.VerbCordon, v1alpha1.VerbDrain}}
	})
	op := h.Repave("repave", 1)
	h.Create(op)
	h.start()
	h.Until(op, "held by the hook that drains, twice", func() bool {
		return len(op.Status.Holds) == 1 && op.Status.Holds[0].Source == "Hook/"+hook.Name && record(op, hook).Runs >= 2
	})
	if kept, err := kube.CoreV1().Pods(h.Namespace).Get(t.Context(), "db", metav1.GetOptions{}); err != nil || kept.DeletionTimestamp != nil || h.repaves() != 0 {
		t.Fatalf("while the budget holds the pod: gone at %v, %v, %d repaves", kept.DeletionTimestamp, err, h.repaves())
	}
	allow(1)
	h.Eventually("the pod to be evicted", func() bool {
		evicted, err := kube.CoreV1().Pods(h.Namespace).Get(t.Context(), "db", metav1.GetOptions{})
		return err == nil && evicted.DeletionTimestamp != nil
	}, op)
	// What its kubelet would do.
	do(nil, kube.CoreV1().Pods(h.Namespace).Delete(t.Context(), "db", metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))}))
	h.UntilPhase(op, v1alpha1.OperationSucceeded)
	if run := record(op, hook); run.Result != v1alpha1.HookDone || len(run.Actions) == 0 || h.repaves() != 1 {
		t.Errorf("the hook is %+v, %d repaves", run, h.repaves())
	}
	if cordoned, err := kube.CoreV1().Nodes().Get(t.Context(), node, metav1.GetOptions{}); err != nil || !cordoned.Spec.Unschedulable {
		t.Errorf("the node is not cordoned any more: %v", err)
	}
}
