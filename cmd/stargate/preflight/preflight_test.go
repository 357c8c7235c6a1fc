package preflight

import (
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/config"
)

func server(name string, spec v1alpha1.ServerSpec) *v1alpha1.Server {
	return &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Namespace: "dc-west", Name: name}, Spec: spec}
}

func TestConflicts(t *testing.T) {
	other := &v1alpha1.LocalReference{Name: "other"}
	for name, test := range map[string]struct {
		servers []*v1alpha1.Server
		want    []Conflict
	}{
		"none": {[]*v1alpha1.Server{server("a", v1alpha1.ServerSpec{MAC: "1"}), server("b", v1alpha1.ServerSpec{MAC: "2"})}, nil},
		"the case of a MAC does not matter": {
			[]*v1alpha1.Server{server("b", v1alpha1.ServerSpec{MAC: "AA"}), server("a", v1alpha1.ServerSpec{MAC: "aa"})},
			[]Conflict{{"dc-west", "mac aa", []string{"a", "b"}}}},
		"a boot MAC is a MAC": {
			[]*v1alpha1.Server{server("a", v1alpha1.ServerSpec{MAC: "1", BootMACAddress: "2"}), server("b", v1alpha1.ServerSpec{MAC: "2"})},
			[]Conflict{{"dc-west", "mac 2", []string{"a", "b"}}}},
		"one's own boot MAC is no conflict": {
			[]*v1alpha1.Server{server("a", v1alpha1.ServerSpec{MAC: "1", BootMACAddress: "1"})}, nil},
		"addresses, but not the absence of one": {
			[]*v1alpha1.Server{server("a", v1alpha1.ServerSpec{MAC: "1"}), server("b", v1alpha1.ServerSpec{MAC: "2"}),
				server("c", v1alpha1.ServerSpec{MAC: "3", IPv4: "10.0.0.1"}), server("d", v1alpha1.ServerSpec{MAC: "4", IPv4: "10.0.0.1"})},
			[]Conflict{{"dc-west", "address 10.0.0.1", []string{"c", "d"}}}},
		"one BMC may serve several systems": {
			[]*v1alpha1.Server{server("a", v1alpha1.ServerSpec{MAC: "1", BMC: &v1alpha1.BMC{Address: "bmc", SystemID: "1"}}),
				server("b", v1alpha1.ServerSpec{MAC: "2", BMC: &v1alpha1.BMC{Address: "bmc", SystemID: "2"}})}, nil},
		"datacenters do not share machines": {
			[]*v1alpha1.Server{server("a", v1alpha1.ServerSpec{MAC: "1"}), server("b", v1alpha1.ServerSpec{MAC: "1", DatacenterRef: other})}, nil},
	} {
		if got := Conflicts(test.servers); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

func TestConflictNamesTheOthers(t *testing.T) {
	conflict := Conflict{"dc-west", "mac aa", []string{"a", "b", "c"}}
	if got := conflict.With(server("b", v1alpha1.ServerSpec{})); got != "mac aa of a, c" {
		t.Errorf("got %q", got)
	}
	if got := conflict.With(server("d", v1alpha1.ServerSpec{})); got != "" {
		t.Errorf("got %q for a server that has no part in it", got)
	}
}

// What the API server adds to a CRD is not in the hash; what a release changes is.
func TestSchemaHash(t *testing.T) {
	crds, err := config.CRDs()
	if err != nil || len(crds) == 0 {
		t.Fatalf("reading CRDs: %v", err)
	}
	hash := func(crd *unstructured.Unstructured) string {
		text, err := SchemaHash(crd)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	before := hash(crds[0])
	served := crds[0].DeepCopy()
	served.SetResourceVersion("7")
	set(t, served, map[string]any{"strategy": "None"}, "spec", "conversion")
	if hash(served) != before {
		t.Error("the hash moved with what the API server adds")
	}
	set(t, served, []any{"x"}, "spec", "names", "shortNames")
	if hash(served) == before {
		t.Error("the hash did not move with a short name")
	}
}

func set(t *testing.T, object *unstructured.Unstructured, value any, path ...string) {
	t.Helper()
	if err := unstructured.SetNestedField(object.Object, value, path...); err != nil {
		t.Fatal(err)
	}
}
