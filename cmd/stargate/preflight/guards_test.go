package preflight

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/config"
	"stargate.io/stargate/engine"
)

func guardsOf(t *testing.T, installed func(*unstructured.Unstructured) bool) []string {
	t.Helper()
	wanted, err := config.Admission()
	if err != nil {
		t.Fatal(err)
	}
	policy := func(name, expression string) *v1alpha1.Policy {
		return &v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.PolicySpec{Rules: []v1alpha1.Rule{
			{Name: "r", Expression: expression, Effect: v1alpha1.EffectHold, Message: "m"},
		}}}
	}
	objects := []client.Object{
		policy("two-people", "size(operation.approvals) >= 2"), policy("office", "requester.username == 'ana'"),
		policy("signed", "source.signedBy != ''"), policy("night", "server.state == 'off'"),
	}
	for _, object := range wanted {
		if installed(object) {
			objects = append(objects, object.DeepCopy())
		}
	}
	report := &Report{OK: true}
	in := &Inputs{Reader: fake.NewClientBuilder().WithScheme(engine.Scheme()).WithObjects(objects...).Build(), Admission: wanted, Command: "stargate"}
	guardsInForce(t.Context(), in, reporter{report, "guards"})
	if !report.OK {
		t.Error("a guard that is missing is no failure: nothing stands still")
	}
	var lines []string
	for _, check := range report.Checks {
		if check.Status != OK {
			lines = append(lines, check.Name+": "+check.Message)
		}
	}
	return lines
}

// TestGuards: what is lost is said, with the rules that need it.
func TestGuards(t *testing.T) {
	if got := guardsOf(t, func(*unstructured.Unstructured) bool { return true }); len(got) > 0 {
		t.Errorf("all are in force, and said is\n%s", strings.Join(got, "\n"))
	}
	got := guardsOf(t, func(o *unstructured.Unstructured) bool { return !strings.HasPrefix(o.GetKind(), "Mutating") })
	for _, want := range []string{
		"requester: not vouched for: rules that ask for requester hold: office/r",
		"approvals: not vouched for: nothing counts as approved: two-people/r",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("without stamps: no line %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
	if slices.ContainsFunc(got, func(line string) bool { return strings.HasPrefix(line, "source: ") }) {
		t.Errorf("without stamps the source is vouched for, and said is\n%s", strings.Join(got, "\n"))
	}
	got = guardsOf(t, func(*unstructured.Unstructured) bool { return false })
	if want := "source: not vouched for: rules that ask for source hold: signed/r"; !slices.Contains(got, want) {
		t.Errorf("without anything: no line %q in\n%s", want, strings.Join(got, "\n"))
	}
}
