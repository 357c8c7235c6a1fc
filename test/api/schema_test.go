package api_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"stargate.io/stargate/config"
)

// schema is a node of a CRD's schema.
type schema = apiextensionsv1.JSONSchemaProps

// kind is one of the eight.
type kind struct {
	apiextensionsv1.CustomResourceDefinition
	root schema
}

// folder of the kind's cases below testdata.
func (k *kind) folder() string { return strings.ToLower(k.Spec.Names.Kind) }

func (k *kind) namespaced() bool { return k.Spec.Scope == apiextensionsv1.NamespaceScoped }

// kinds reads the CRDs, once.
var kinds = sync.OnceValues(func() ([]*kind, error) {
	objects, err := config.CRDs()
	if err != nil {
		return nil, err
	}
	var all []*kind
	for _, o := range objects {
		k := &kind{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &k.CustomResourceDefinition); err != nil {
			return nil, fmt.Errorf("reading CRD %s: %w", o.GetName(), err)
		}
		k.root = *k.Spec.Versions[0].Schema.OpenAPIV3Schema
		all = append(all, k)
	}
	return all, nil
})

func allKinds(t *testing.T) []*kind {
	t.Helper()
	all, err := kinds()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// path to a node: the names of fields, "[]" for the items of a list and "{}" for the values of a map.
type path []string

func (p path) String() string { return strings.Join(p, ".") }

func (p path) to(step string) path { return append(slices.Clone(p), step) }

// walk visits a schema's nodes below spec and status, parents first.
func walk(s *schema, at path, visit func(path, *schema)) {
	if len(at) > 0 {
		visit(at, s)
	}
	for name, property := range s.Properties {
		if len(at) == 0 && name != "spec" && name != "status" {
			continue
		}
		walk(&property, at.to(name), visit)
	}
	if s.Items != nil && s.Items.Schema != nil {
		walk(s.Items.Schema, at.to("[]"), visit)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		walk(s.AdditionalProperties.Schema, at.to("{}"), visit)
	}
}

// node at a path.
func (k *kind) node(at path) *schema {
	s := &k.root
	for _, step := range at {
		switch step {
		case "[]":
			s = s.Items.Schema
		case "{}":
			s = s.AdditionalProperties.Schema
		default:
			child := s.Properties[step]
			s = &child
		}
	}
	return s
}

// example is a value that a schema takes; with every field there is. It is for status, where no rule
// relates fields to one another.
func example(s *schema) any {
	switch {
	case s.XIntOrString:
		return int64(1)
	case len(s.Enum) > 0:
		return strings.Trim(string(s.Enum[len(s.Enum)-1].Raw), `"`)
	case s.Format == "date-time":
		return "2026-01-02T03:04:05.000006Z"
	}
	switch s.Type {
	case "boolean":
		return true
	case "integer":
		return int64(1)
	case "array":
		return []any{example(s.Items.Schema)}
	case "object":
		object := map[string]any{}
		if s.AdditionalProperties != nil {
			object["a"] = example(s.AdditionalProperties.Schema)
		}
		for name, property := range s.Properties {
			object[name] = example(&property)
		}
		return object
	}
	return "Example"
}

// set puts a value where a path leads in an object, and tells whether it led anywhere. Of lists and
// maps it takes the first where it does.
func set(object any, at path, value any) bool {
	switch o := object.(type) {
	case map[string]any:
		keys := []string{at[0]}
		if at[0] == "{}" {
			keys = slices.Sorted(maps.Keys(o))
		}
		for _, key := range keys {
			if child, found := o[key]; !found || len(at) > 1 && !set(child, at[1:], value) {
				continue
			}
			switch {
			case len(at) > 1:
			case value == absent:
				delete(o, key)
			default:
				o[key] = value
			}
			return true
		}
	case []any:
		for i, item := range o {
			if len(at) == 1 && value != absent {
				o[i] = value
				return true
			}
			if len(at) > 1 && set(item, at[1:], value) {
				return true
			}
		}
	}
	return false
}

// absent, given to set, removes the field.
var absent any = &struct{ _ byte }{}
