package forgery

import (
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/rollout"
)

// target is something untrue that somebody would have an object say.
type target struct {
	name string
	kind kind
	// victim prepares the object that is written upon; nil for one as alice makes it.
	victim func(t *testing.T, c *cast, name string)
	// forged is what is asked for. The object is nil where a new one is made.
	forged func(live *unstructured.Unstructured) change
	// lies tells whether the object says it.
	lies func(o *unstructured.Unstructured, maker string) bool
	// removes: it takes something away, which only some ways can.
	removes bool
	// existing: it is about an object that is there.
	existing bool
	// honest: there are people who may. Of a new object there may be none.
	honest, honestNew bool
	// status: it is about status.
	status bool
}

func annotated(pairs ...string) change {
	all := map[string]string{}
	for pair := range slices.Chunk(pairs, 2) {
		all[pair[0]] = pair[1]
	}
	return change{annotations: all}
}

func always(c change) func(*unstructured.Unstructured) change {
	return func(*unstructured.Unstructured) change { return c }
}

// saysAny of the values that were asked for.
func saysAny(c change) func(*unstructured.Unstructured, string) bool {
	return func(o *unstructured.Unstructured, _ string) bool {
		annotations, labels := o.GetAnnotations(), o.GetLabels()
		return slices.ContainsFunc(slices.Collect(maps.Keys(c.annotations)), func(key string) bool { return annotations[key] == c.annotations[key] }) ||
			slices.ContainsFunc(slices.Collect(maps.Keys(c.labels)), func(key string) bool { return labels[key] == c.labels[key] })
	}
}

// not so any more: an annotation is another than it was.
func not(key, value string) func(*unstructured.Unstructured, string) bool {
	return func(o *unstructured.Unstructured, _ string) bool { return o.GetAnnotations()[key] != value }
}

// approval as it would be written, and what tells that it was.
func approval(live *unstructured.Unstructured) change {
	what := "a-guess"
	if live != nil {
		what = string(live.GetUID())
	}
	return annotated(v1alpha1.AnnotationApprove, what, v1alpha1.AnnotationApproveReason, "it is fine", v1alpha1.AnnotationApprovedBy, "adam")
}

func approved(o *unstructured.Unstructured, _ string) bool {
	return o.GetAnnotations()[v1alpha1.AnnotationApprove] != "" || o.GetAnnotations()[v1alpha1.AnnotationApprovedBy] != ""
}

var (
	commit   = annotated(v1alpha1.AnnotationCommit, "9f1c2ab", v1alpha1.AnnotationAuthor, "root@example.com", v1alpha1.AnnotationSignedBy, "SHA256:key")
	made     = change{labels: map[string]string{v1alpha1.LabelGroup: "web", v1alpha1.LabelFleet: "prod"}}
	wave     = annotated(rollout.AnnotationWave, "canary", rollout.AnnotationRevision, "1-abc")
	released = change{annotations: map[string]string{v1alpha1.AnnotationReleased: "7 aaaa bbbb 3", v1alpha1.AnnotationApply: "7", v1alpha1.AnnotationCommit: "9f1c2ab"}, labels: map[string]string{v1alpha1.LabelFleet: "prod"}}
	placed   = change{annotations: map[string]string{v1alpha1.AnnotationLabels: "role=web", v1alpha1.AnnotationSource: "a.yaml:1", v1alpha1.AnnotationApply: "7"}, labels: map[string]string{v1alpha1.LabelFleet: "prod"}}
	override = annotated(v1alpha1.AnnotationOverride, "freeze", v1alpha1.AnnotationOverrideReason, "it burns", v1alpha1.AnnotationOverriddenBy, "adam")
)

func targets() []target {
	requester, byGroups, approvedBy := v1alpha1.AnnotationRequester, v1alpha1.AnnotationRequesterGroups, v1alpha1.AnnotationApprovedBy
	return []target{
		{name: "another asked", kind: operations, forged: always(annotated(requester, "root")),
			lies: func(o *unstructured.Unstructured, maker string) bool { return o.GetAnnotations()[requester] != maker }},
		{name: "of other groups", kind: operations, forged: always(annotated(byGroups, "system:masters\nsystem:authenticated")),
			lies: func(o *unstructured.Unstructured, _ string) bool {
				return strings.Contains(o.GetAnnotations()[byGroups], "masters") || o.GetAnnotations()[byGroups] == ""
			}},
		{name: "nobody asked", kind: operations, removes: true, forged: always(change{gone: []string{requester}}), lies: not(requester, "alice")},
		{name: "of no groups", kind: operations, removes: true, forged: always(change{gone: []string{byGroups}}), lies: not(byGroups, "operators\nsystem:authenticated")},
		{name: "of a signed commit", kind: operations, honest: true, honestNew: true, forged: always(commit), lies: saysAny(commit)},
		{name: "made by a rollout", kind: operations, honest: true, honestNew: true, forged: always(made), lies: saysAny(made)},
		{name: "made in a wave", kind: operations, honest: true, honestNew: true, forged: always(wave), lies: saysAny(wave)},
		{name: "of no commit", kind: operations, removes: true, honest: true, victim: ofCommit,
			forged: always(change{gone: []string{v1alpha1.AnnotationCommit}}), lies: not(v1alpha1.AnnotationCommit, "9f1c2ab")},
		{name: "approved", kind: operations, honest: true, forged: approval, lies: approved},
		{name: "approved by one more", kind: operations, existing: true, honest: true, victim: approvedByApril,
			forged: always(annotated(approvedBy, "april\nadam")), lies: not(approvedBy, "april")},
		{name: "approved by nobody", kind: operations, removes: true, honest: true, victim: approvedByApril,
			forged: always(change{gone: []string{v1alpha1.AnnotationApprove, v1alpha1.AnnotationApproveReason, approvedBy}}), lies: not(approvedBy, "april")},
		{name: "rules overridden", kind: operations, honest: true, honestNew: true, forged: always(override), lies: saysAny(override)},
		{name: "another's hold is gone", kind: operations, existing: true, status: true, honest: true, victim: held,
			forged: always(change{status: map[string]any{"phase": "Succeeded"}}),
			lies: func(o *unstructured.Unstructured, _ string) bool {
				holds, _, _ := unstructured.NestedSlice(o.Object, "status", "holds")
				phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
				return len(holds) != 1 || phase != "Pending"
			}},
		{name: "approved", kind: groups, honest: true, honestNew: true, forged: approval, lies: approved},
		{name: "released by a commit", kind: groups, honest: true, honestNew: true, forged: always(released), lies: saysAny(released)},
		{name: "labelled by a commit", kind: servers, honest: true, honestNew: true, forged: always(placed), lies: saysAny(placed)},
		{name: "approved", kind: fleets, honest: true, honestNew: true, forged: approval, lies: approved},
	}
}

// ofCommit makes an Operation as a rollout does.
func ofCommit(t *testing.T, c *cast, name string) {
	t.Helper()
	a := &attempt{person: c.peter, kind: operations, object: name, change: commit}
	must(t, second(c.peter.kubectl(t, "create", "-f", a.file(t, a.bare()))))
}

func approvedByApril(t *testing.T, c *cast, name string) {
	t.Helper()
	live := c.make(t, operations, c.alice, name, nil)
	c.april.mustKubectl(t, "annotate", operations.plural+".stargate.io", name, v1alpha1.AnnotationApprove+"="+string(live.GetUID()), v1alpha1.AnnotationApproveReason+"=seen")
}

func held(t *testing.T, c *cast, name string) {
	t.Helper()
	live := c.make(t, operations, c.alice, name, nil)
	live.Object["status"] = map[string]any{"phase": "Pending", "holds": []any{map[string]any{
		"source": "Policy/freeze", "reason": "PolicyViolated", "message": "frozen", "since": "2026-05-01T00:00:00Z"}}}
	_, err := operations.in(c.world).UpdateStatus(t.Context(), live, metav1.UpdateOptions{})
	must(t, err)
}

func second[T any](_ T, err error) error { return err }
