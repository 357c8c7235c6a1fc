package tree

import (
	"fmt"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"stargate.io/stargate/api/v1alpha1"
)

// Schemas of our kinds, compiled once; any number of goroutines may use them. They check objects with the API server's
// own code, in its order, so that what passes here is not refused there.
type Schemas struct{ kinds map[string]*schemaOf }

// schemaOf one kind.
type schemaOf struct {
	structural *structural.Structural
	checks     *checks
}

// Compile the schemas of custom resource definitions, as they are installed.
func Compile(crds []*apiextensionsv1.CustomResourceDefinition) (*Schemas, error) {
	all := &Schemas{kinds: map[string]*schemaOf{}}
	for _, crd := range crds {
		if crd.Spec.Group != v1alpha1.GroupVersion.Group {
			continue
		}
		for _, version := range crd.Spec.Versions {
			if version.Name != v1alpha1.GroupVersion.Version || version.Schema == nil {
				continue
			}
			of, err := compile(version.Schema.OpenAPIV3Schema)
			if err != nil {
				return nil, fmt.Errorf("compiling the schema of %s: %w", crd.Name, err)
			}
			all.kinds[crd.Spec.Names.Kind] = of
		}
	}
	return all, nil
}

func compile(props *apiextensionsv1.JSONSchemaProps) (*schemaOf, error) {
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(props, &internal, nil); err != nil {
		return nil, fmt.Errorf("converting: %w", err)
	}
	s, err := structural.NewStructural(&internal)
	if err != nil {
		return nil, fmt.Errorf("reading structure: %w", err)
	}
	checks, err := compileChecks(&internal, s)
	if err != nil {
		return nil, err
	}
	return &schemaOf{structural: s, checks: checks}, nil
}

// unknown removes the fields that the kind does not have, and gives their paths.
func (s *schemaOf) unknown(object map[string]any) []string {
	return pruning.PruneWithOptions(object, s.structural, true, structural.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
}

// complete sets the kind's defaults.
func (s *schemaOf) complete(object map[string]any) { setDefaults(object, s.structural) }

// validate as the API server does on creation. An update that keeps a value which its rules no longer take passes
// there, and is refused here.
func (s *schemaOf) validate(object map[string]any) field.ErrorList {
	errs := s.checks.values(object)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, s.structural, object)...)
	if blocking(errs) {
		return errs
	}
	return append(errs, s.checks.rules(s.structural, object)...)
}

// blocking errors leave an object in a shape that rules are not asked about.
func blocking(errs field.ErrorList) bool {
	for _, err := range errs {
		switch err.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
			return true
		default:
		}
	}
	return false
}
