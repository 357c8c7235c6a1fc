package api_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/test/cluster"
)

// probe sends one object with one field changed, without having it stored. Fields of status go through
// the subresource of an object that is there.
type probe struct {
	to     dynamic.ResourceInterface
	bases  []*unstructured.Unstructured
	stored *unstructured.Unstructured
}

func newProbe(t *testing.T, c *cluster.Cluster, k *kind) *probe {
	t.Helper()
	p := &probe{to: resource(t, c.Config, k, c.Namespace(t))}
	for _, some := range cases(t, k, "valid") {
		for _, each := range some {
			p.bases = append(p.bases, each.object)
		}
	}
	object := p.bases[0].DeepCopy()
	object.SetName("probe")
	stored, err := create(t, p.to, object)
	if err != nil {
		t.Fatal(err)
	}
	status := k.node(path{"status"})
	stored.Object["status"] = example(status)
	if p.stored, err = p.to.UpdateStatus(t.Context(), stored, metav1.UpdateOptions{}); err != nil {
		t.Fatalf("status with every field: %v", err)
	}
	return p
}

// send answers what the server made of it. Not ok where no object has the field.
func (p *probe) send(t *testing.T, at path, value any) (made *unstructured.Unstructured, err error, ok bool) {
	t.Helper()
	dryRun := []string{metav1.DryRunAll}
	if at[0] == "status" {
		object := p.stored.DeepCopy()
		if !set(object.Object, at, value) {
			return nil, nil, false
		}
		made, err = p.to.UpdateStatus(t.Context(), object, metav1.UpdateOptions{DryRun: dryRun})
		return made, err, true
	}
	for _, base := range p.bases {
		object := base.DeepCopy()
		if !set(object.Object, at, value) {
			continue
		}
		object.SetName("probe-new")
		made, err = p.to.Create(t.Context(), object, metav1.CreateOptions{DryRun: dryRun})
		return made, err, true
	}
	return nil, nil, false
}

// TestEveryFieldIsUsed: the valid cases together use every field of spec.
func TestEveryFieldIsUsed(t *testing.T) {
	for _, k := range allKinds(t) {
		var objects []*unstructured.Unstructured
		for _, some := range cases(t, k, "valid") {
			for _, each := range some {
				objects = append(objects, each.object)
			}
		}
		walk(&k.root, nil, func(at path, _ *schema) {
			used := at[0] == "status" || k.Spec.Names.Kind == "Hook" && at.String() == "spec.scriptFile"
			for _, o := range objects {
				used = used || set(o.DeepCopy().Object, at, nil)
			}
			if !used {
				t.Errorf("%s: no case in testdata/%s/valid uses %s", k.Spec.Names.Kind, k.folder(), at)
			}
		})
	}
}

// TestBounds: every bound, enum, pattern and required field of every schema refuses what is beyond it,
// with a message that names the field.
func TestBounds(t *testing.T) {
	c := cluster.Shared(t)
	for _, k := range allKinds(t) {
		t.Run(k.Spec.Names.Kind, func(t *testing.T) {
			t.Parallel()
			p := newProbe(t, c, k)
			walk(&k.root, nil, func(at path, s *schema) {
				for _, value := range beyond(s) {
					refuses(t, p, at, value)
				}
				for _, field := range s.Required {
					refuses(t, p, at.to(field), absent)
				}
			})
		})
	}
}

func refuses(t *testing.T, p *probe, at path, value any) {
	t.Helper()
	_, err, ok := p.send(t, at, value)
	field := slices.DeleteFunc(slices.Clone(at), func(step string) bool { return step == "[]" || step == "{}" })
	switch {
	case !ok: // a field that no valid case has; TestEveryFieldIsUsed tells
	case err == nil:
		t.Errorf("%s: %.60v is let in", at, value)
	case !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err):
		t.Errorf("%s: %.60v: %v", at, value, err)
	case !strings.Contains(err.Error(), field[len(field)-1]):
		t.Errorf("%s: %.60v: the message does not name the field: %.300v", at, value, err)
	}
}

// beyond gives values that a node's own schema does not take.
func beyond(s *schema) []any {
	var values []any
	if s.Minimum != nil {
		values = append(values, int64(*s.Minimum)-1)
	}
	if s.Maximum != nil {
		values = append(values, int64(*s.Maximum)+1)
	}
	if len(s.Enum) > 0 {
		values = append(values, "nonesuch")
	}
	if s.Pattern != "" {
		values = append(values, "\t")
	}
	if s.MinLength != nil && *s.MinLength > 0 {
		values = append(values, "")
	}
	if s.MaxLength != nil {
		values = append(values, strings.Repeat("a", int(*s.MaxLength)+1))
	}
	if s.MinItems != nil && *s.MinItems > 0 {
		values = append(values, []any{})
	}
	if s.MaxItems != nil {
		values = append(values, many(s, int(*s.MaxItems)+1))
	}
	if s.MinProperties != nil {
		values = append(values, map[string]any{})
	}
	if s.MaxProperties != nil {
		object := map[string]any{}
		for i := range *s.MaxProperties + 1 {
			object[fmt.Sprintf("a%d", i)] = "a"
		}
		values = append(values, object)
	}
	return values
}

// many items, no two the same.
func many(s *schema, n int) []any {
	items := make([]any, n)
	for i := range items {
		items[i] = example(s.Items.Schema)
		if object, ok := items[i].(map[string]any); ok {
			for _, key := range s.XListMapKeys {
				if _, isNumber := object[key].(int64); isNumber {
					object[key] = int64(i)
				} else {
					object[key] = fmt.Sprint("a", i)
				}
			}
		} else if len(s.Items.Schema.Enum) == 0 {
			items[i] = fmt.Sprint("a", i)
		}
	}
	return items
}

// hostile values for a field: nothing, other types, numbers that do not fit, and times, durations and
// percentages in forms that not everybody reads, unless any text at all decodes.
func hostile(s *schema, decodes reflect.Type) []any {
	values := []any{nil, true, "", "x", int64(-1), int64(1) << 40, 1.5, 1e30, []any{}, []any{nil}, map[string]any{}, map[string]any{"a": nil}}
	if decodes.Kind() != reflect.String && (s.Type == "string" || s.XIntOrString) {
		values = append(values, hostileTexts...)
	}
	return values
}

var hostileTexts = []any{
	"1", "1.5h", "5µs", "1d", "-5m", "+5m", "9999999h", "9999999h9999999h9999999h", "0.5ns", "1h ", ".5h", "5.m", "1e3s", "∞",
	"10%", "1000%", "-1%", "1.5%", "%", "0x10", "4294967297", "４%",
	"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.1Z", "2026-01-02t03:04:05z", "2026-01-02T03:04:05,5Z",
	"2026-01-02T03:04:05+99:99", "2026-01-02T03:04:05.123456789+23:59", "2026-01-02T03:04:60Z", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z",
	"0000-00-00T00:00:00Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "10000-01-01T00:00:00Z",
	"2026-02-30T00:00:00Z", "2026-02-30T00:00:00.000000Z", "2026-01-02T03:04:05.123456+24:00",
}

// TestTypedClientsReadWhatIsLetIn: one bad object must never keep the informer of its kind from
// starting, so whatever the server lets in, in any field, decodes, and its selectors parse.
func TestTypedClientsReadWhatIsLetIn(t *testing.T) {
	c := cluster.Shared(t)
	for _, k := range allKinds(t) {
		t.Run(k.Spec.Names.Kind, func(t *testing.T) {
			t.Parallel()
			p := newProbe(t, c, k)
			object, err := scheme.New(p.stored.GroupVersionKind())
			if err != nil {
				t.Fatal(err)
			}
			tried, taken := 0, 0
			walk(&k.root, nil, func(at path, s *schema) {
				for _, value := range hostile(s, goType(t, reflect.TypeOf(object).Elem(), at)) {
					made, err, ok := p.send(t, at, value)
					if !ok {
						return
					}
					if tried++; err != nil {
						continue
					}
					taken++
					readable(t, at, value, made)
				}
			})
			t.Logf("%d of %d let in", taken, tried)
		})
	}
}

func readable(t *testing.T, at path, value any, made *unstructured.Unstructured) {
	t.Helper()
	object, err := typed(made)
	if err != nil {
		t.Errorf("%s: %#v is let in and cannot be decoded: %v", at, value, err)
		return
	}
	for _, selector := range selectors(object) {
		if _, err := selector.Selector(); err != nil {
			t.Errorf("%s: %#v is let in and does not parse as a selector: %v", at, value, err)
		}
	}
}

// selectors of an object, all that there are.
func selectors(object any) []*v1alpha1.LabelSelector {
	switch o := object.(type) {
	case *v1alpha1.ServerGroup:
		all := []*v1alpha1.LabelSelector{&o.Spec.Selector}
		for _, w := range o.Spec.Rollout.Waves {
			all = append(all, w.Selector)
		}
		return all
	case *v1alpha1.Policy:
		return []*v1alpha1.LabelSelector{o.Spec.Match.ServerSelector}
	case *v1alpha1.Hook:
		return []*v1alpha1.LabelSelector{o.Spec.Match.ServerSelector}
	}
	return nil
}
