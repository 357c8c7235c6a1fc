package admission_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stargate.io/stargate/config"
	"stargate.io/stargate/engine/admission"
)

var installed = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func wanted(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	objects, err := config.Admission()
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// served are the objects as an API server has them that was told to install them.
func served(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	objects := wanted(t)
	for _, object := range objects {
		object.SetCreationTimestamp(metav1.NewTime(installed))
		object.SetResourceVersion("7")
		if match, found, _ := unstructured.NestedMap(object.Object, "spec", "matchConstraints"); found {
			match["matchPolicy"], match["namespaceSelector"], match["objectSelector"] = "Equivalent", map[string]any{}, map[string]any{}
			for _, rule := range match["resourceRules"].([]any) {
				rule.(map[string]any)["scope"] = "*"
			}
			set(t, object, match, "spec", "matchConstraints")
		}
	}
	return objects
}

func set(t *testing.T, object *unstructured.Unstructured, value any, path ...string) {
	t.Helper()
	if err := unstructured.SetNestedField(object.Object, value, path...); err != nil {
		t.Fatal(err)
	}
}

func without(objects []*unstructured.Unstructured, drop func(*unstructured.Unstructured) bool) []*unstructured.Unstructured {
	return slices.DeleteFunc(objects, drop)
}

func named(kind, name string) func(*unstructured.Unstructured) bool {
	return func(o *unstructured.Unstructured) bool { return o.GetKind() == kind && o.GetName() == name }
}

func TestEveryGuardIsKnown(t *testing.T) {
	for _, guard := range admission.Judge(wanted(t), served(t)) {
		if guard.Keeps == "" {
			t.Errorf("%s: what does it keep?", guard.Name)
		}
		if !guard.InForce() || !guard.Since.Equal(installed) {
			t.Errorf("%s: %+v", guard.Name, guard)
		}
	}
}

func TestVouches(t *testing.T) {
	all := admission.Vouches{Requester: true, Source: true, Approvals: true, Overrides: true}
	const vap, vapb = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
	edit := func(kind, name string, value any, path ...string) func(*testing.T, []*unstructured.Unstructured) []*unstructured.Unstructured {
		return func(t *testing.T, objects []*unstructured.Unstructured) []*unstructured.Unstructured {
			set(t, objects[slices.IndexFunc(objects, named(kind, name))], value, path...)
			return objects
		}
	}
	drop := func(which func(*unstructured.Unstructured) bool) func(*testing.T, []*unstructured.Unstructured) []*unstructured.Unstructured {
		return func(_ *testing.T, objects []*unstructured.Unstructured) []*unstructured.Unstructured {
			return without(objects, which)
		}
	}
	for name, test := range map[string]struct {
		change func(*testing.T, []*unstructured.Unstructured) []*unstructured.Unstructured
		want   admission.Vouches
	}{
		"all of it":            {drop(func(*unstructured.Unstructured) bool { return false }), all},
		"nothing is installed": {drop(func(*unstructured.Unstructured) bool { return true }), admission.Vouches{}},
		"the cluster cannot stamp": {drop(func(o *unstructured.Unstructured) bool { return strings.HasPrefix(o.GetKind(), "Mutating") }),
			admission.Vouches{Source: true, Overrides: true}},
		"a binding is gone":            {drop(named(vapb, admission.OperationSource)), admission.Vouches{Requester: true, Approvals: true, Overrides: true}},
		"objects are not guarded":      {drop(named(vap, admission.Source)), admission.Vouches{Requester: true, Approvals: true, Overrides: true}},
		"approvals are not guarded":    {drop(named(vap, admission.OperationApproval)), admission.Vouches{Requester: true, Source: true, Overrides: true}},
		"overrides are not guarded":    {drop(named(vapb, admission.Override)), admission.Vouches{Requester: true, Source: true, Approvals: true}},
		"the requester may be changed": {drop(named(vap, admission.Requester)), admission.Vouches{Source: true, Overrides: true}},
		"a binding only audits": {edit(vapb, admission.Override, []any{"Audit"}, "spec", "validationActions"),
			admission.Vouches{Requester: true, Source: true, Approvals: true}},
		"a binding spares namespaces": {edit(vapb, admission.Override, map[string]any{"matchLabels": map[string]any{"a": "b"}}, "spec", "matchResources", "namespaceSelector"),
			admission.Vouches{Requester: true, Source: true, Approvals: true}},
		"a policy spares objects": {edit(vap, admission.OperationSource, map[string]any{"matchLabels": map[string]any{"a": "b"}}, "spec", "matchConstraints", "objectSelector"),
			admission.Vouches{Requester: true, Approvals: true, Overrides: true}},
		"a policy fails open": {edit(vap, admission.OperationSource, "Ignore", "spec", "failurePolicy"),
			admission.Vouches{Requester: true, Approvals: true, Overrides: true}},
		"a policy has a condition more": {edit(vap, admission.OperationSource, []any{map[string]any{"name": "never", "expression": "false"}}, "spec", "matchConditions"),
			admission.Vouches{Requester: true, Approvals: true, Overrides: true}},
		"a policy has a field that we do not know": {edit(vap, admission.OperationSource, "x", "spec", "sometimes"),
			admission.Vouches{Requester: true, Approvals: true, Overrides: true}},
		"status does not matter": {edit(vap, admission.OperationSource, int64(1), "status", "observedGeneration"), all},
	} {
		got := admission.VouchesOf(admission.Judge(wanted(t), test.change(t, served(t))))
		if (got.Why == "") != (test.want == all) {
			t.Errorf("%s: why: %q", name, got.Why)
		}
		got.Why, got.Since = "", time.Time{}
		if got != test.want {
			t.Errorf("%s: vouches %+v, not %+v", name, got, test.want)
		}
	}
}

// TestSince: an Operation that is older than the guards, or than their last change, proves nothing.
func TestSince(t *testing.T) {
	objects := served(t)
	changed := metav1.NewTime(installed.Add(time.Hour))
	// Status is written by Kubernetes, and a guard that vouches for nothing does not matter.
	later := metav1.NewTime(installed.Add(2 * time.Hour))
	objects[slices.IndexFunc(objects, named("ValidatingAdmissionPolicy", admission.Override))].SetManagedFields([]metav1.ManagedFieldsEntry{
		{Manager: "kubectl", Operation: metav1.ManagedFieldsOperationApply, Time: &changed},
		{Manager: "kube-controller-manager", Operation: metav1.ManagedFieldsOperationUpdate, Subresource: "status", Time: &later},
	})
	objects[slices.IndexFunc(objects, named("MutatingAdmissionPolicy", admission.InUse))].SetCreationTimestamp(later)
	vouches := admission.VouchesOf(admission.Judge(wanted(t), objects))
	if !vouches.Since.Equal(changed.Time) {
		t.Fatalf("since %s, not %s", vouches.Since, changed)
	}
	if got := vouches.Of(changed.Add(-time.Second)); got.Requester || got.Source || got.Approvals || got.Overrides || got.Why == "" {
		t.Errorf("of what is older: %+v", got)
	}
	if got := vouches.Of(changed.Time); got != vouches {
		t.Errorf("of what is as old: %+v", got)
	}
}
