package api_test

import (
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/test/cluster"
)

// TestIntentOfAnotherLeader: only who holds the Lease now may write down an intent, or take one over; who
// elects no leader is not asked, and what was written before stays as it is.
func TestIntentOfAnotherLeader(t *testing.T) {
	c := cluster.Shared(t)
	ns := c.Namespace(t)
	api, err := client.New(c.Config, client.Options{Scheme: engine.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "stargate", Labels: map[string]string{v1alpha1.LabelLease: "leader"}},
		Spec: coordinationv1.LeaseSpec{HolderIdentity: ptr.To("first"), LeaseTransitions: ptr.To(int32(0))}}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "epoch-" + ns},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: "epoch.stargate.io", ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			ParamRef:       &admissionv1.ParamRef{Namespace: ns, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelLease: "leader"}}, ParameterNotFoundAction: ptr.To(admissionv1.AllowAction)},
			MatchResources: &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns}}}}}
	op := &v1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "op"},
		Spec: v1alpha1.OperationSpec{ServerRef: v1alpha1.ServerReference{Name: "s"}, Operation: v1alpha1.ActionInspect}}
	for _, object := range []client.Object{lease, binding, op} {
		if err := api.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = api.Delete(t.Context(), binding) })
	write := func(attempts ...v1alpha1.Attempt) error {
		next := op.DeepCopy()
		next.Status.Phase, next.Status.Attempts = v1alpha1.OperationPending, attempts
		err := api.Status().Update(t.Context(), next)
		if err == nil {
			op = next
		}
		return err
	}
	attempt := func(n int32, by string, epoch int64) v1alpha1.Attempt {
		return v1alpha1.Attempt{Number: n, RequestID: "uid-" + string(rune('0'+n)), By: by, Epoch: epoch, StartedAt: metav1.NewMicroTime(time.Unix(1, 0))}
	}
	eventually(t, func() bool {
		probe := &v1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "fence-probe", Annotations: map[string]string{v1alpha1.AnnotationFenceProbe: "yes"}}, Spec: op.Spec}
		err := api.Create(t.Context(), probe, client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), "fence lease="+ns+"/stargate holder=first epoch=1")
	})
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "epoch.stargate.io") || !strings.Contains(err.Error(), "of another leader is refused") {
			t.Errorf("%s: %v", what, err)
		}
	}
	taken := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("an intent of another epoch", write(attempt(1, "first", 2)))
	refused("an intent by another", write(attempt(1, "second", 1)))
	taken("an intent of who leads", write(attempt(1, "first", 1)))

	lease.Spec.HolderIdentity, lease.Spec.LeaseTransitions = ptr.To("second"), ptr.To(int32(1))
	if err := api.Update(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		next := op.DeepCopy()
		next.Status.Attempts = append(next.Status.Attempts, attempt(2, "first", 1))
		return api.Status().Update(t.Context(), next, client.DryRunAll) != nil
	})
	refused("an intent of who led before", write(attempt(1, "first", 1), attempt(2, "first", 1)))
	refused("a take-over by who led before", write(attempt(1, "second", 1)))
	done := attempt(1, "first", 1)
	done.JobID, done.Outcome = "job", v1alpha1.AttemptSucceeded
	taken("what became of an earlier intent", write(done))
	taken("a take-over by who leads", write(attempt(1, "second", 2)))
	taken("an intent of who elects no leader", write(attempt(1, "second", 2), attempt(2, "alone", 0)))
}
