package tree

import (
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// checks of one kind's values and rules. The API server makes them too: what is wrong here is refused there, later.
type checks struct{}

func compileChecks(*apiextensions.JSONSchemaProps, *structural.Structural) (*checks, error) {
	return &checks{}, nil
}

func (*checks) values(map[string]any) field.ErrorList { return nil }

func (*checks) rules(*structural.Structural, map[string]any) field.ErrorList { return nil }

// setDefaults of the schema where nothing is said.
func setDefaults(v any, s *structural.Structural) {
	switch v := v.(type) {
	case map[string]any:
		for key, property := range s.Properties {
			if _, has := v[key]; !has && property.Default.Object != nil {
				v[key] = runtime.DeepCopyJSONValue(property.Default.Object)
			}
			if value, has := v[key]; has {
				setDefaults(value, &property)
			}
		}
	case []any:
		for _, value := range v {
			if s.Items != nil {
				setDefaults(value, s.Items)
			}
		}
	}
}
