package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// configMapsOf matches writes of ConfigMaps in one namespace, so that policies leave other tests alone.
func configMapsOf(ns string) *admissionv1.MatchResources {
	return &admissionv1.MatchResources{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": ns}},
		ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
			Operations: []admissionv1.OperationType{admissionv1.Create},
			Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
		}}},
	}
}

func TestValidatingAdmissionPolicy(t *testing.T) {
	c := shared.client(t)
	ns := namespace(t, c)
	policies := c.AdmissionregistrationV1()
	if _, err := policies.ValidatingAdmissionPolicies().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: ns},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: configMapsOf(ns),
			Validations: []admissionv1.Validation{{
				// The authorizer is what finer permissions are built on.
				Expression: `!object.metadata.name.startsWith("bad") || authorizer.group("example.com").resource("cakes").check("eat").allowed() && false`,
				Message:    "no bad names",
			}},
		},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := policies.ValidatingAdmissionPolicyBindings().Create(t.Context(), &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: ns},
		Spec:       admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: ns, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	i := 0
	eventually(t, func(ctx context.Context) error {
		i++
		bad := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("bad-", i)}}
		_, err := c.CoreV1().ConfigMaps(ns).Create(ctx, bad, metav1.CreateOptions{})
		if err == nil {
			return errors.New("it was let in")
		}
		if !apierrors.IsInvalid(err) {
			return err
		}
		return nil
	})
	configMap(t, c, ns, "good")
}

func TestMutatingAdmissionPolicy(t *testing.T) {
	c := shared.client(t)
	ns := namespace(t, c)
	policies := c.AdmissionregistrationV1()
	if _, err := policies.MutatingAdmissionPolicies().Create(t.Context(), &admissionv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: ns},
		Spec: admissionv1.MutatingAdmissionPolicySpec{
			MatchConstraints:   configMapsOf(ns),
			ReinvocationPolicy: admissionv1.NeverReinvocationPolicy,
			Mutations: []admissionv1.Mutation{{
				PatchType: admissionv1.PatchTypeApplyConfiguration,
				ApplyConfiguration: &admissionv1.ApplyConfiguration{
					Expression: `Object{metadata: Object.metadata{annotations: {"by": request.userInfo.username}}}`,
				},
			}},
		},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := policies.MutatingAdmissionPolicyBindings().Create(t.Context(), &admissionv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: ns},
		Spec:       admissionv1.MutatingAdmissionPolicyBindingSpec{PolicyName: ns},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	i := 0
	eventually(t, func(ctx context.Context) error {
		i++
		if got := configMap(t, c, ns, fmt.Sprint("cm-", i)).Annotations["by"]; got != "kubernetes-admin" {
			return fmt.Errorf("stamped by %q", got)
		}
		return nil
	})
}

// TestCustomKinds: served soon after they are installed, and their objects own others.
func TestCustomKinds(t *testing.T) {
	client, err := dynamic.NewForConfig(shared.config(t))
	if err != nil {
		t.Fatal(err)
	}
	c := shared.client(t)
	ns := namespace(t, c)
	group := ns + ".example.com" // of this run alone
	crds := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	if _, err := crds.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "cakes." + group},
		"spec": map[string]any{
			"group": group, "scope": "Namespaced",
			"names": map[string]any{"plural": "cakes", "kind": "Cake"},
			"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}}}},
		},
	}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	cakes := client.Resource(schema.GroupVersionResource{Group: group, Version: "v1", Resource: "cakes"}).Namespace(ns)
	var cake *unstructured.Unstructured
	eventually(t, func(ctx context.Context) (err error) {
		cake, err = cakes.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": group + "/v1", "kind": "Cake", "metadata": map[string]any{"name": "a"},
		}}, metav1.CreateOptions{})
		return err
	})
	configMap(t, c, ns, "crumbs", metav1.OwnerReference{APIVersion: group + "/v1", Kind: "Cake", Name: "a", UID: cake.GetUID()})
	if err := cakes.Delete(t.Context(), "a", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		return gone(c.CoreV1().ConfigMaps(ns).Get(ctx, "crumbs", metav1.GetOptions{}))
	})
}
