package api_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"

	"stargate.io/stargate/api/v1alpha1"
)

var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(s); err != nil {
		panic(err)
	}
	return s
}()

// typed decodes an object as a typed informer does.
func typed(object *unstructured.Unstructured) (runtime.Object, error) {
	text, err := object.MarshalJSON()
	if err != nil {
		return nil, err
	}
	into, err := scheme.New(object.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	return into, json.Unmarshal(text, into)
}

// roundTrip reports what a typed client would lose of an object's spec.
func roundTrip(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	decoded, err := typed(object)
	if err != nil {
		t.Errorf("a typed client cannot read it: %v", err)
		return
	}
	again, err := runtime.DefaultUnstructuredConverter.ToUnstructured(decoded)
	if err != nil {
		t.Fatal(err)
	}
	if lost := missing(object.Object["spec"], again["spec"], "spec"); len(lost) > 0 {
		t.Errorf("a typed client would lose %s", strings.Join(lost, ", "))
	}
}

// missing names what is in a and not, or not as it was, in b. That a zero value is left out, and that
// a duration is written in another way, is no loss.
func missing(a, b any, at string) []string {
	var lost []string
	switch a := a.(type) {
	case map[string]any:
		other, _ := b.(map[string]any)
		for key, value := range a {
			lost = append(lost, missing(value, other[key], at+"."+key)...)
		}
	case []any:
		other, _ := b.([]any)
		if len(a) != len(other) {
			return []string{at}
		}
		for i := range a {
			lost = append(lost, missing(a[i], other[i], at+"[]")...)
		}
	case nil, bool, int64, string:
		zero := b == nil && (a == nil || reflect.ValueOf(a).IsZero())
		if !zero && !equality.Semantic.DeepEqual(a, b) && !sameMoment(a, b) {
			return []string{at}
		}
	}
	return lost
}

// sameMoment tells whether two durations, or two times, mean the same.
func sameMoment(a, b any) bool {
	one, isText := a.(string)
	other, areBoth := b.(string)
	if !isText || !areBoth {
		return false
	}
	if x, err := time.ParseDuration(one); err == nil {
		y, err := time.ParseDuration(other)
		return err == nil && x == y
	}
	x, err1 := time.Parse(time.RFC3339, one)
	y, err2 := time.Parse(time.RFC3339, other)
	return err1 == nil && err2 == nil && x.Sub(y).Abs() < time.Second
}

// goType is what a typed client decodes the value at a path into.
func goType(t *testing.T, typ reflect.Type, at path) reflect.Type {
	t.Helper()
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if len(at) == 0 {
		return typ
	}
	if at[0] == "[]" || at[0] == "{}" {
		return goType(t, typ.Elem(), at[1:])
	}
	for field := range typ.Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name == at[0] {
			return goType(t, field.Type, at[1:])
		}
	}
	t.Fatalf("%s has no field %s", typ, at[0])
	return nil
}
