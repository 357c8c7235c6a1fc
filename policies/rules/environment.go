package rules

import (
	"errors"
	"fmt"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/functions"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
	"k8s.io/apiserver/pkg/cel/library"
)

// Limits of the language. What an expression may cost are the bounds that Kubernetes uses.
const (
	// MaxLength of an expression, in bytes.
	MaxLength = 4096
	// MaxNesting of brackets, and of the tree that an expression is read into.
	MaxNesting = 64
	// MaxCost of one evaluation of one expression.
	MaxCost = 1_000_000
	// MaxPolicyCost of one evaluation of all expressions of a policy.
	MaxPolicyCost = 10_000_000
	// MaxText is the longest string, in bytes, that an expression may make.
	MaxText = 16 << 10
	// MaxItems of the longest list that an expression may make.
	MaxItems = 2_000
	// MaxQuestions to the fleet in one judgement.
	MaxQuestions = 256
	// maxNodes of the tree that an expression is read into.
	maxNodes = 5_000
	// maxRegex is the size of the program that a regular expression becomes.
	maxRegex = 1_000
	// interruptEvery so many steps of a comprehension it is looked whether to go on.
	interruptEvery = 100
)

var (
	errOpaque        = errors.New("fleet and variables are no values of their own: ask them for something")
	errManyQuestions = fmt.Errorf("the fleet is asked more than %d questions: ask fewer, and none in a loop", MaxQuestions)
	errNotCounted    = errors.New("the fleet is not counted yet")
)

// provider of the types of the Facts, beside those that come with CEL.
type provider struct {
	*types.Registry
	// variables of a policy, by name; nil of the environment that all share.
	variables map[string]*types.FieldType
}

func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := schema[name]; ok || name == fleetType || name == variablesType {
		return types.NewTypeTypeWithParam(cel.ObjectType(name)), true
	}
	return p.Registry.FindStructType(name)
}

func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	if part, ok := schema[name]; ok {
		return part.names, true
	}
	return p.Registry.FindStructFieldNames(name)
}

func (p *provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	if part, ok := schema[name]; ok {
		f, ok := part.fields[field]
		return f, ok
	}
	if name == variablesType {
		f, ok := p.variables[field]
		return f, ok
	}
	return p.Registry.FindStructFieldType(name, field)
}

// NewValue of a type of the Facts: there is none, since facts are not made by rules.
func (p *provider) NewValue(name string, fields map[string]ref.Val) ref.Val {
	if _, ok := schema[name]; ok {
		return types.NewErr("a %s cannot be made", name)
	}
	return p.Registry.NewValue(name, fields)
}

// NativeToValue makes a value of a part of the Facts, where an expression uses one on its own.
func (p *provider) NativeToValue(value any) ref.Val {
	if name, ok := nameOf(value); ok {
		return thing{schema[name], value}
	}
	return p.Registry.NativeToValue(value)
}

// nameOf a part of the Facts.
func nameOf(value any) (string, bool) {
	switch v := value.(type) {
	case *Operation:
		return "operation", true
	case *Server:
		return "server", true
	case *Profile:
		return "profile", true
	case *Group:
		return "group", true
	case *Datacenter:
		return "datacenter", true
	case *Requester:
		return "requester", true
	case *Origin:
		return "source", true
	case *unvouched:
		if v == &v.of.source {
			return "source", true
		}
		return "requester", true
	}
	return "", false
}

// A language is an environment with the functions that need a guard.
type language struct {
	env      *cel.Env
	bindings map[string]*functions.Overload
}

// shared is the language of every policy; one with variables adds them to its environment.
var shared = sync.OnceValue(func() language {
	env, err := cel.NewEnv(environment()...)
	if err != nil {
		panic(fmt.Sprintf("making the language of policies: %v", err)) // It is the same each time.
	}
	bindings, err := bindingsOf(env)
	if err != nil {
		panic(fmt.Sprintf("making the language of policies: %v", err))
	}
	return language{env, bindings}
})

func environment() []cel.EnvOption {
	registry, err := types.NewRegistry()
	if err != nil {
		panic(fmt.Sprintf("making the language of policies: %v", err))
	}
	p := &provider{Registry: registry}
	options := []cel.EnvOption{
		cel.CustomTypeAdapter(p), cel.CustomTypeProvider(p),
		cel.HomogeneousAggregateLiterals(),
		cel.EagerlyValidateDeclarations(true),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.EnableMacroCallTracking(),
		cel.ParserExpressionSizeLimit(MaxLength),
		cel.ParserRecursionLimit(2 * MaxNesting),
		cel.ExpressionNodeLimit(maxNodes),
		cel.RegexProgramSizeLimit(maxRegex),
		cel.CostEstimatorOptions(checker.PresenceTestHasCost(false)),
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateRegexLiterals(), cel.ValidateHomogeneousAggregateLiterals()),
	}
	options = append(options, libraries()...)
	options = append(options, clockFunctions()...)
	for name, part := range schema {
		options = append(options, cel.Variable(name, part.typ))
	}
	return append(options,
		cel.Variable("now", cel.TimestampType),
		cel.Variable(fleetType, cel.ObjectType(fleetType)),
		cel.Variable(variablesType, cel.ObjectType(variablesType)),
		cel.Variable(clockName, cel.ObjectType(clockType)),
		cel.Macros(append(fleetMacros(), clockMacros()...)...),
		askFunctions(),
	)
}

// libraries that rules may use: those of Kubernetes that are about values, and whole numbers.
func libraries() []cel.EnvOption {
	return []cel.EnvOption{
		cel.OptionalTypes(),
		ext.Strings(ext.StringsVersion(5), ext.StringsMaxPrecision(32)),
		ext.Lists(ext.ListsVersion(4), ext.ListsMaxRangeSize(MaxItems)),
		ext.Sets(),
		ext.Math(ext.MathVersion(2)),
		ext.TwoVarComprehensions(),
		library.Lists(library.ListsVersion(1)),
		library.Regex(), library.URLs(), library.IP(), library.CIDR(), library.Quantity(), library.Format(),
		library.SemverLib(library.SemverVersion(1)),
	}
}
