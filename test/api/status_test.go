package api_test

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stargate.io/stargate/test/cluster"
)

// TestStatusIsWrittenThroughItsSubresource alone, and spec is not.
func TestStatusIsWrittenThroughItsSubresource(t *testing.T) {
	c := cluster.Shared(t)
	for _, k := range allKinds(t) {
		t.Run(k.Spec.Names.Kind, func(t *testing.T) {
			to := resource(t, c.Config, k, c.Namespace(t))
			claim := map[string]any{"observedGeneration": int64(7)}
			generation := func(o *unstructured.Unstructured) int64 {
				n, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
				return n
			}
			object := smallest(t, k, "status")
			object.Object["status"] = claim
			made, err := create(t, to, object)
			if err != nil || generation(made) != 0 {
				t.Fatalf("created: %v, %v", made, err)
			}
			made.Object["status"] = claim
			if made, err = to.Update(t.Context(), made, metav1.UpdateOptions{}); err != nil || generation(made) != 0 {
				t.Fatalf("updated: %v, %v", made, err)
			}
			before := made.GetGeneration()
			made.Object["status"] = claim
			made.Object["spec"] = map[string]any{}
			if made, err = to.UpdateStatus(t.Context(), made, metav1.UpdateOptions{}); err != nil || generation(made) != 7 {
				t.Fatalf("status updated: %v, %v", made, err)
			}
			if spec, _, _ := unstructured.NestedMap(made.Object, "spec"); len(spec) == 0 || made.GetGeneration() != before {
				t.Errorf("a status update changed spec %v or generation %d", spec, made.GetGeneration())
			}
		})
	}
}

// TestSpecIsRequired, and status is not.
func TestSpecIsRequired(t *testing.T) {
	c := cluster.Shared(t)
	for _, k := range allKinds(t) {
		to := resource(t, c.Config, k, c.Namespace(t))
		object := smallest(t, k, "bare")
		delete(object.Object, "spec")
		if _, err := create(t, to, object); !apierrors.IsInvalid(err) {
			t.Errorf("%s without spec: %v", k.Spec.Names.Kind, err)
		}
	}
}
