package config_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stargate.io/stargate/config"
)

func install(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	objects, err := config.Install()
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// TestInstallOrder: what an object needs comes before it.
func TestInstallOrder(t *testing.T) {
	place := map[string]int{}
	for i, kind := range []string{
		"CustomResourceDefinition", "Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "FlowSchema",
		"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
	} {
		place[kind] = i
	}
	kinds, seen, namespaces := 0, map[string]bool{}, map[string]bool{"": true}
	for _, o := range install(t) {
		if _, known := place[o.GetKind()]; !known {
			t.Errorf("%s %s is not expected", o.GetKind(), o.GetName())
		}
		id := o.GetKind() + "/" + o.GetNamespace() + "/" + o.GetName()
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
		switch o.GetKind() {
		case "CustomResourceDefinition":
			if kinds++; len(seen) != kinds {
				t.Errorf("%s comes after other objects", id)
			}
		case "Namespace":
			namespaces[o.GetName()] = true
		}
		if !namespaces[o.GetNamespace()] {
			t.Errorf("%s comes before its namespace", id)
		}
	}
	if kinds != 8 {
		t.Errorf("%d kinds, not 8", kinds)
	}
	if !namespaces[config.SystemNamespace] {
		t.Errorf("no namespace %s", config.SystemNamespace)
	}
}

// TestBindings: each binds what is there, to the controller's account.
func TestBindings(t *testing.T) {
	objects := append(install(t), config.DatacenterAccess("dc-west"))
	has := func(kind, namespace, name string) bool {
		return slices.ContainsFunc(objects, func(o *unstructured.Unstructured) bool {
			return o.GetKind() == kind && o.GetNamespace() == namespace && o.GetName() == name
		})
	}
	for _, o := range objects {
		if policy, found, _ := unstructured.NestedString(o.Object, "spec", "policyName"); found && !has(strings.TrimSuffix(o.GetKind(), "Binding"), "", policy) {
			t.Errorf("%s binds policy %s, which is not there", o.GetName(), policy)
		}
		kind, found, _ := unstructured.NestedString(o.Object, "roleRef", "kind")
		if !found {
			continue
		}
		name, _, _ := unstructured.NestedString(o.Object, "roleRef", "name")
		namespace := ""
		if kind == "Role" {
			namespace = o.GetNamespace()
		}
		if !has(kind, namespace, name) {
			t.Errorf("%s binds %s %s, which is not there", o.GetName(), kind, name)
		}
		subjects, _, _ := unstructured.NestedSlice(o.Object, "subjects")
		for _, s := range subjects {
			account := s.(map[string]any)
			if !has("ServiceAccount", account["namespace"].(string), account["name"].(string)) {
				t.Errorf("%s binds to %v, which is not there", o.GetName(), account)
			}
		}
	}
}

// TestNoTooMuchPower: no wildcards; Secrets only through a role that nothing binds for the cluster.
func TestNoTooMuchPower(t *testing.T) {
	bound := map[string]bool{}
	for _, o := range install(t) {
		if o.GetKind() == "ClusterRoleBinding" {
			name, _, _ := unstructured.NestedString(o.Object, "roleRef", "name")
			bound[name] = true
		}
	}
	for _, o := range install(t) {
		rules, _, _ := unstructured.NestedSlice(o.Object, "rules")
		for _, r := range rules {
			rule := r.(map[string]any)
			for _, field := range []string{"apiGroups", "resources", "verbs"} {
				if values, _, _ := unstructured.NestedStringSlice(rule, field); len(values) == 0 || slices.Contains(values, "*") {
					t.Errorf("%s %s: %s of a rule are %v", o.GetKind(), o.GetName(), field, values)
				}
			}
			resources, _, _ := unstructured.NestedStringSlice(rule, "resources")
			verbs, _, _ := unstructured.NestedStringSlice(rule, "verbs")
			// What a repository may put into a namespace is written there; nothing binds that role by itself.
			allowed := []string{"get"}
			if o.GetName() == "stargate-fleet-objects" {
				allowed = []string{"get", "list", "create", "patch", "delete"}
			}
			if slices.Contains(resources, "secrets") && (bound[o.GetName()] || !slices.Equal(verbs, allowed)) {
				t.Errorf("%s %s gives Secrets of the whole cluster, or more than get: %v", o.GetKind(), o.GetName(), verbs)
			}
		}
	}
}

// TestAdmissionIsLabelled: the controller watches what carries the label.
func TestAdmissionIsLabelled(t *testing.T) {
	objects, err := config.Admission()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects {
		if o.GetLabels()["app.kubernetes.io/name"] != "stargate" {
			t.Errorf("%s %s has no label app.kubernetes.io/name=stargate", o.GetKind(), o.GetName())
		}
	}
}

// TestFilesAreAllEmbedded: nothing that is installed or shown was left out of the binary.
func TestFilesAreAllEmbedded(t *testing.T) {
	for folder, atLeast := range map[string]int{"crd/bases": 8, "admission": 6, "rbac": 3, "samples": 5} {
		if entries, err := fs.ReadDir(config.Files, folder); err != nil || len(entries) < atLeast {
			t.Errorf("%s: %d files, %v", folder, len(entries), err)
		}
	}
}
