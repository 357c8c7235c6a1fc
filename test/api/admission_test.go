package api_test

import (
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/config"
	"stargate.io/stargate/test/cluster"
)

// smallest object of a kind, with a name.
func smallest(t *testing.T, k *kind, name string) *unstructured.Unstructured {
	t.Helper()
	for file, some := range cases(t, k, "valid") {
		if strings.HasSuffix(file, "minimal.yaml") {
			some[0].object.SetName(name)
			return some[0].object
		}
	}
	t.Fatalf("testdata/%s/valid/minimal.yaml is missing", k.folder())
	return nil
}

func kindNamed(t *testing.T, name string) *kind {
	t.Helper()
	all := allKinds(t)
	return all[slices.IndexFunc(all, func(k *kind) bool { return k.Spec.Names.Kind == name })]
}

// TestInUseFinalizer: stamped once, whatever finalizers there are, on what can be in use and on
// nothing else.
func TestInUseFinalizer(t *testing.T) {
	c := cluster.Shared(t)
	for _, k := range allKinds(t) {
		t.Run(k.Spec.Names.Kind, func(t *testing.T) {
			to := resource(t, c.Config, k, c.Namespace(t))
			stamped := slices.Contains([]string{"Operation", "Server", "Datacenter"}, k.Spec.Names.Kind)
			for name, finalizers := range map[string][]string{
				"none": nil, "empty": {}, "other": {"example.com/mine"}, "there": {"example.com/mine", v1alpha1.Finalizer},
			} {
				object := smallest(t, k, name)
				if finalizers != nil {
					object.Object["metadata"].(map[string]any)["finalizers"] = toAny(finalizers)
				}
				want := slices.Clone(finalizers)
				if stamped && !slices.Contains(want, v1alpha1.Finalizer) {
					want = append(want, v1alpha1.Finalizer)
				}
				made, err := create(t, to, object)
				if err != nil {
					t.Fatal(err)
				}
				if got := made.GetFinalizers(); !slices.Equal(got, want) {
					t.Errorf("%s: made with %v, has %v, not %v", name, finalizers, got, want)
				}
				made.SetFinalizers(nil)
				if made, err = to.Update(t.Context(), made, metav1.UpdateOptions{}); err != nil || len(made.GetFinalizers()) > 0 {
					t.Errorf("%s: taking the finalizers away: %v, %v", name, made.GetFinalizers(), err)
				}
			}
		})
	}
}

func toAny(texts []string) []any {
	values := make([]any, len(texts))
	for i, text := range texts {
		values[i] = text
	}
	return values
}

// TestStampsOutliveApply: whoever applies an object again, without what was stamped, does not take it
// away; nor does another who applies with force.
func TestStampsOutliveApply(t *testing.T) {
	c := cluster.Shared(t)
	ns := c.Namespace(t)
	for _, name := range []string{"Operation", "Server", "Datacenter"} {
		t.Run(name, func(t *testing.T) {
			k := kindNamed(t, name)
			to := resource(t, c.Config, k, ns)
			for _, manager := range []string{"first", "first", "second", "first"} {
				object := smallest(t, k, "applied")
				object.SetLabels(map[string]string{"by": manager})
				made, err := to.Apply(t.Context(), "applied", object, metav1.ApplyOptions{FieldManager: manager, Force: true})
				if err != nil {
					t.Fatal(err)
				}
				if got := made.GetFinalizers(); !slices.Equal(got, []string{v1alpha1.Finalizer}) {
					t.Errorf("applied by %s: finalizers %v", manager, got)
				}
				if got := made.GetAnnotations()[v1alpha1.AnnotationRequester]; name == "Operation" && got != "kubernetes-admin" {
					t.Errorf("applied by %s: requester %q", manager, got)
				}
			}
		})
	}
}

// operations of a namespace, as a user who may do anything else there.
func operations(t *testing.T, c *cluster.Cluster, ns, user string) dynamic.ResourceInterface {
	t.Helper()
	return resource(t, c.As(user, "system:masters"), kindNamed(t, "Operation"), ns)
}

// TestRequesterIsStamped, over whatever the request says.
func TestRequesterIsStamped(t *testing.T) {
	c := cluster.Shared(t)
	ns := c.Namespace(t)
	for name, annotations := range map[string]map[string]string{
		"bare": nil, "others": {"example.com/note": "x"}, "forged": {v1alpha1.AnnotationRequester: "root"}, "empty": {v1alpha1.AnnotationRequester: ""},
	} {
		for how, make := range map[string]func(*unstructured.Unstructured) (*unstructured.Unstructured, error){
			"create": func(o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
				return operations(t, c, ns, "alice").Create(t.Context(), o, metav1.CreateOptions{})
			},
			"apply": func(o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
				return operations(t, c, ns, "alice").Apply(t.Context(), o.GetName(), o, metav1.ApplyOptions{FieldManager: "alice", Force: true})
			},
		} {
			object := smallest(t, kindNamed(t, "Operation"), name+"-"+how)
			object.SetAnnotations(annotations)
			made, err := make(object)
			if err != nil {
				t.Errorf("%s, %s: %v", name, how, err)
				continue
			}
			if got := made.GetAnnotations()[v1alpha1.AnnotationRequester]; got != "alice" {
				t.Errorf("%s, %s: requester is %q", name, how, got)
			}
			if note := annotations["example.com/note"]; made.GetAnnotations()["example.com/note"] != note {
				t.Errorf("%s, %s: other annotations are lost: %v", name, how, made.GetAnnotations())
			}
		}
	}
}

// TestRequesterCannotBeForged later, in any way there is to write an object.
func TestRequesterCannotBeForged(t *testing.T) {
	c := cluster.Shared(t)
	ns := c.Namespace(t)
	k := kindNamed(t, "Operation")
	if _, err := operations(t, c, ns, "alice").Create(t.Context(), smallest(t, k, "op"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	mallory := operations(t, c, ns, "mallory")
	patch := func(kind types.PatchType, body string, subresources ...string) error {
		options := metav1.PatchOptions{}
		if kind == types.ApplyPatchType {
			force := true
			options = metav1.PatchOptions{FieldManager: "mallory", Force: &force}
		}
		_, err := mallory.Patch(t.Context(), "op", kind, []byte(body), options, subresources...)
		return err
	}
	live := func(change func(map[string]string)) *unstructured.Unstructured {
		object, err := mallory.Get(t.Context(), "op", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		annotations := object.GetAnnotations()
		change(annotations)
		object.SetAnnotations(annotations)
		return object
	}
	forge := func(a map[string]string) { a[v1alpha1.AnnotationRequester] = "mallory" }
	for how, err := range map[string]error{
		"merge patch":       patch(types.MergePatchType, `{"metadata":{"annotations":{"stargate.io/requester":"mallory"}}}`),
		"removal":           patch(types.MergePatchType, `{"metadata":{"annotations":{"stargate.io/requester":null}}}`),
		"removal of all":    patch(types.MergePatchType, `{"metadata":{"annotations":null}}`),
		"JSON patch":        patch(types.JSONPatchType, `[{"op":"replace","path":"/metadata/annotations/stargate.io~1requester","value":"mallory"}]`),
		"apply with force":  patch(types.ApplyPatchType, `{"apiVersion":"stargate.io/v1alpha1","kind":"Operation","metadata":{"name":"op","annotations":{"stargate.io/requester":"mallory"}}}`),
		"update":            second(mallory.Update(t.Context(), live(forge), metav1.UpdateOptions{})),
		"update that drops": second(mallory.Update(t.Context(), live(func(a map[string]string) { delete(a, v1alpha1.AnnotationRequester) }), metav1.UpdateOptions{})),
	} {
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `the annotation stargate.io/requester is "alice" and cannot be changed: it says who created the Operation`) {
			t.Errorf("%s: %v", how, err)
		}
	}
	// Through the status subresource metadata does not change, so nothing needs refusing.
	if _, err := mallory.UpdateStatus(t.Context(), live(forge), metav1.UpdateOptions{}); err != nil {
		t.Errorf("status update: %v", err)
	}
	if err := patch(types.MergePatchType, `{"metadata":{"annotations":{"stargate.io/requester":"mallory"}}}`, "status"); err != nil {
		t.Errorf("status patch: %v", err)
	}
	if err := patch(types.MergePatchType, `{"metadata":{"annotations":{"stargate.io/cancel-reason":"x"}},"spec":{"cancel":true}}`); err != nil {
		t.Errorf("an honest change: %v", err)
	}
	if got := live(func(map[string]string) {}).GetAnnotations()[v1alpha1.AnnotationRequester]; got != "alice" {
		t.Errorf("in the end, requester is %q", got)
	}
}

func second[T any](_ T, err error) error { return err }

// TestRequesterWithoutMutation: a cluster that cannot stamp lets nobody claim to be another either.
func TestRequesterWithoutMutation(t *testing.T) {
	c := cluster.Start(t, cluster.Bare())
	crds, err := config.CRDs()
	if err != nil {
		t.Fatal(err)
	}
	policies, err := config.Admission()
	if err != nil {
		t.Fatal(err)
	}
	policies = slices.DeleteFunc(policies, func(o *unstructured.Unstructured) bool { return strings.HasPrefix(o.GetKind(), "Mutating") })
	if err := c.Apply(t.Context(), append(crds, policies...)...); err != nil {
		t.Fatal(err)
	}
	c.AdmissionInForce(t)
	alice := operations(t, c, c.Namespace(t), "alice")
	for requester, allowed := range map[string]bool{"": true, "alice": true, "mallory": false} {
		object := smallest(t, kindNamed(t, "Operation"), "op"+requester)
		if requester != "" {
			object.SetAnnotations(map[string]string{v1alpha1.AnnotationRequester: requester})
		}
		if _, err := alice.Create(t.Context(), object, metav1.CreateOptions{}); (err == nil) != allowed {
			t.Errorf("requester %q: %v", requester, err)
		}
	}
}
