package cluster

import (
	"context"
	"fmt"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// AdmissionInForce returns when every admission policy and binding that was
// applied before the call decides requests; the server reads them once a second.
func (c *Cluster) AdmissionInForce(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), installTimeout)
	defer cancel()
	if err := c.admissionInForce(ctx); err != nil {
		tb.Fatal(err)
	}
}

// admissionInForce adds a pair of policies after all others and waits until they
// work: the server takes up what it has seen in the order of their making.
func (c *Cluster) admissionInForce(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return err
	}
	ns, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "admission-probe-"}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("making a namespace to probe admission in: %w", err)
	}
	defer c.removeProbe(client, ns.Name)
	if err := addProbe(ctx, client, ns.Name); err != nil {
		return fmt.Errorf("adding admission probes: %w", err)
	}
	return poll(ctx, "admission policies to be in force", func() (bool, error) {
		dryRun := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
		_, denied := client.CoreV1().ConfigMaps(ns.Name).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "deny"}}, dryRun)
		stamped, err := client.CoreV1().ConfigMaps(ns.Name).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "stamp"}}, dryRun)
		if err != nil {
			return false, err
		}
		return apierrors.IsInvalid(denied) && stamped.Annotations["probe"] == "yes", nil
	})
}

func addProbe(ctx context.Context, client kubernetes.Interface, ns string) error {
	name := metav1.ObjectMeta{Name: ns}
	match := &admissionv1.MatchResources{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns}},
		ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
			Operations: []admissionv1.OperationType{admissionv1.Create},
			Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
		}}},
	}
	policies := client.AdmissionregistrationV1()
	if _, err := policies.ValidatingAdmissionPolicies().Create(ctx, &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: name,
		Spec: admissionv1.ValidatingAdmissionPolicySpec{MatchConstraints: match,
			Validations: []admissionv1.Validation{{Expression: `object.metadata.name != "deny"`}}}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	if _, err := policies.MutatingAdmissionPolicies().Create(ctx, &admissionv1.MutatingAdmissionPolicy{ObjectMeta: name,
		Spec: admissionv1.MutatingAdmissionPolicySpec{MatchConstraints: match, ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
			Mutations: []admissionv1.Mutation{{PatchType: admissionv1.PatchTypeApplyConfiguration,
				ApplyConfiguration: &admissionv1.ApplyConfiguration{Expression: `Object{metadata: Object.metadata{annotations: {"probe": "yes"}}}`}}}}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	if _, err := policies.ValidatingAdmissionPolicyBindings().Create(ctx, &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: name,
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: ns, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	_, err := policies.MutatingAdmissionPolicyBindings().Create(ctx, &admissionv1.MutatingAdmissionPolicyBinding{ObjectMeta: name,
		Spec: admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: ns}}, metav1.CreateOptions{})
	return err
}

// removeProbe is best effort: what stays matches nothing but its own namespace.
func (c *Cluster) removeProbe(client kubernetes.Interface, ns string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	policies := client.AdmissionregistrationV1()
	_ = policies.ValidatingAdmissionPolicyBindings().Delete(ctx, ns, metav1.DeleteOptions{})
	_ = policies.MutatingAdmissionPolicyBindings().Delete(ctx, ns, metav1.DeleteOptions{})
	_ = policies.ValidatingAdmissionPolicies().Delete(ctx, ns, metav1.DeleteOptions{})
	_ = policies.MutatingAdmissionPolicies().Delete(ctx, ns, metav1.DeleteOptions{})
	_ = client.CoreV1().Namespaces().Delete(ctx, ns, metav1.DeleteOptions{})
}

// poll calls done until it is true, fails, or ctx ends.
func poll(ctx context.Context, what string, done func() (bool, error)) error {
	for {
		ok, err := done()
		if err != nil {
			return fmt.Errorf("waiting for %s: %w", what, err)
		}
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
