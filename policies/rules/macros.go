package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// The functions that questions and times turn into: what people write is checked and turned into one
// of these when it is parsed, so that keys are known and windows are read long before anything runs.
const (
	askFunction = "@ask"
	clockName   = "@clock"
)

// reserved keys of a question; any other is that of a server label.
var reserved = []string{"datacenter", "namespace", "group", "operation"}

// labelPrefix tells a label from a reserved key of the same name.
const labelPrefix = "label:"

func fleetMacros() []cel.Macro {
	var macros []cel.Macro
	for _, kind := range []Kind{Active, Unavailable, Total, Failed} {
		macros = append(macros, cel.ReceiverVarArgMacro(string(kind), func(m cel.MacroExprFactory, target ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
			if target.Kind() != ast.IdentKind || target.AsIdent() != fleetType {
				return nil, nil
			}
			return question(m, kind, target, args)
		}))
	}
	return macros
}

// question turns fleet.KIND({…}) into @ask(fleet, "KIND keys", values).
func question(m cel.MacroExprFactory, kind Kind, target ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
	shape := fmt.Sprintf(`fleet.%s({"rack": server.labels.rack})`, kind)
	want := 1
	if kind == Failed {
		shape, want = `fleet.failed(duration("1h"), {"rack": server.labels.rack})`, 2
	}
	if len(args) != want {
		return nil, m.NewError(target.ID(), fmt.Sprintf("fleet.%s takes %d argument(s), not %d: for example %s, or {} for the whole fleet", kind, want, len(args), shape))
	}
	by := args[len(args)-1]
	if by.Kind() != ast.MapKind {
		return nil, m.NewError(by.ID(), fmt.Sprintf("what fleet.%s counts by must be written out, so that it is known beforehand what is to be counted: for example %s", kind, shape))
	}
	keys, values, problem := keysOf(m, kind, by.AsMap())
	if problem != nil {
		return nil, problem
	}
	call := []ast.Expr{target, m.NewLiteral(types.String(string(kind) + " " + strings.Join(keys, ",")))}
	if kind == Failed {
		call = append(call, args[0])
	}
	switch len(values) {
	case 0:
	case 1:
		call = append(call, values[0])
	default:
		call = append(call, m.NewList(values...))
	}
	return m.NewCall(askFunction, call...), nil
}

// keysOf a question, sorted, with their values.
func keysOf(m cel.MacroExprFactory, kind Kind, by ast.MapExpr) ([]string, []ast.Expr, *cel.Error) {
	values := map[string]ast.Expr{}
	for _, e := range by.Entries() {
		entry := e.AsMapEntry()
		key, wrong := keyOf(kind, entry)
		if wrong != "" {
			return nil, nil, m.NewError(entry.Key().ID(), wrong)
		}
		if _, twice := values[key]; twice {
			return nil, nil, m.NewError(entry.Key().ID(), fmt.Sprintf("the key %q is given twice", key))
		}
		values[key] = entry.Value()
	}
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	sorted := make([]ast.Expr, len(keys))
	for i, key := range keys {
		sorted[i] = values[key]
	}
	return keys, sorted, nil
}

// keyOf an entry of a question, or what is wrong with it.
func keyOf(kind Kind, entry ast.MapEntry) (key, wrong string) {
	key, ok := literal(entry.Key())
	switch {
	case !ok:
		return "", "a key must be a string that is written out, such as \"rack\", so that it is known beforehand what is to be counted"
	case entry.IsOptional():
		return "", "a key cannot be optional: give the value a default, such as server.labels[?\"rack\"].orValue(\"\")"
	case key == "operation" && (kind == Unavailable || kind == Total):
		return "", fmt.Sprintf("servers are not counted by operation: leave the key out, or ask fleet.active or fleet.failed (for a label that is called operation write %q)", labelPrefix+key)
	case key == "" || key == labelPrefix || strings.ContainsAny(key, ", \x00"):
		return "", fmt.Sprintf("%q is not the key of a label: write datacenter, namespace, group, operation or the key of a server label", key)
	}
	if bare, ok := strings.CutPrefix(key, labelPrefix); ok && !slices.Contains(reserved, bare) {
		return bare, "" // Said with a prefix that it does not need: the same dimension.
	}
	return key, ""
}

// literal string that an expression is.
func literal(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// dimensionOf the first argument of @ask.
func dimensionOf(handle string) Dimension {
	kind, keys, _ := strings.Cut(handle, " ")
	return Dimension{Kind: Kind(kind), Keys: keys}
}

// askFunctions are the questions as they run.
func askFunctions() cel.EnvOption {
	fleet, one, many := cel.ObjectType(fleetType), cel.StringType, cel.ListType(cel.StringType)
	return cel.Function(askFunction,
		cel.Overload("ask", []*cel.Type{fleet, one}, cel.IntType, cel.BinaryBinding(func(a, b ref.Val) ref.Val { return ask(a, b) })),
		cel.Overload("ask_one", []*cel.Type{fleet, one, one}, cel.IntType, cel.FunctionBinding(ask)),
		cel.Overload("ask_many", []*cel.Type{fleet, one, many}, cel.IntType, cel.FunctionBinding(ask)),
		cel.Overload("ask_failed", []*cel.Type{fleet, one, cel.DurationType}, cel.IntType, cel.FunctionBinding(ask)),
		cel.Overload("ask_failed_one", []*cel.Type{fleet, one, cel.DurationType, one}, cel.IntType, cel.FunctionBinding(ask)),
		cel.Overload("ask_failed_many", []*cel.Type{fleet, one, cel.DurationType, many}, cel.IntType, cel.FunctionBinding(ask)))
}

func ask(args ...ref.Val) ref.Val {
	in, ok := args[0].(within)
	if !ok {
		return types.NewErr("a question goes to the fleet")
	}
	q := Question{Dimension: dimensionOf(string(args[1].(types.String)))}
	for _, arg := range args[2:] {
		switch a := arg.(type) {
		case types.Duration:
			q.Within = a.Duration
		case types.String:
			q.Values = string(a)
		default:
			joined, err := joinValues(a)
			if err != nil {
				return types.WrapErr(err)
			}
			q.Values = joined
		}
	}
	if q.Kind == Failed && q.Within <= 0 {
		return types.NewErr("fleet.failed looks back a time that must be more than nothing, not %s", q.Within)
	}
	return in.judgement.ask(q)
}

// joinValues of several keys, as a Question has them.
func joinValues(list ref.Val) (string, error) {
	l, ok := list.(traits.Lister)
	if !ok {
		return "", errors.New("the values of a question are strings")
	}
	var joined strings.Builder
	for i := range int(l.Size().(types.Int)) {
		value, ok := l.Get(types.Int(i)).(types.String)
		if !ok {
			return "", errors.New("the values of a question are strings")
		}
		if i > 0 {
			joined.WriteByte(0)
		}
		joined.WriteString(string(value))
	}
	return joined.String(), nil
}
