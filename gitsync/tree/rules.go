package tree

import (
	"fmt"
	"time"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	structural "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
)

// checks of one kind's values and rules: the API server's own.
type checks struct {
	schema    validation.SchemaValidator
	validator *cel.Validator
}

func compileChecks(props *apiextensions.JSONSchemaProps, s *structural.Structural) (*checks, error) {
	if err := defaulting.PruneDefaults(s); err != nil {
		return nil, fmt.Errorf("pruning defaults: %w", err)
	}
	schema, _, err := validation.NewSchemaValidator(props)
	if err != nil {
		return nil, fmt.Errorf("making validator: %w", err)
	}
	return &checks{schema: schema, validator: cel.NewValidator(s, true, celconfig.PerCallLimit)}, nil
}

// values against the schema: types, lengths, patterns, enumerations.
func (c *checks) values(object map[string]any) field.ErrorList {
	return validation.ValidateCustomResource(nil, object, c.schema)
}

// rules in CEL, within the API server's own cost budget.
func (c *checks) rules(s *structural.Structural, object map[string]any) field.ErrorList {
	if c.validator == nil {
		return nil
	}
	errs, _ := c.validator.Validate(endless{}, nil, s, object, nil, celconfig.RuntimeCELCostBudget)
	return errs
}

// setDefaults of the schema where nothing is said.
func setDefaults(object map[string]any, s *structural.Structural) { defaulting.Default(object, s) }

// endless is the context that evaluating rules is given: it never ends and carries nothing. What bounds the rules is
// their cost budget.
type endless struct{}

// Deadline is none.
func (endless) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done never is.
func (endless) Done() <-chan struct{} { return nil }

// Err is none.
func (endless) Err() error { return nil }

// Value is none.
func (endless) Value(any) any { return nil }
