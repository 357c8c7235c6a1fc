package rules

import (
	"fmt"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// failures of expressions as cel tells them, and what to do.
var failures = []struct{ found, say string }{
	{"divide by zero", "it divides by zero: ask first whether what it divides by is more than 0"},
	{"division by zero", "it divides by zero: ask first whether what it divides by is more than 0"},
	{"modulus by zero", "it divides by zero: ask first whether what it divides by is more than 0"},
	{"overflow", "a number, time or duration becomes too large: calculate with smaller ones"},
	{"optional.none() dereference", "a value that is missing is asked for: give it a default with .orValue(…)"},
	{"index out of bounds", "a list has no such item: ask first how many there are, with size()"},
	{"no such overload", "a value is of a type that this is not for: convert it, for example with string(…) or int(…)"},
}

// failure of an expression, with what to do about it.
func (j *judgement) failure(e *expression, err *types.Err) string {
	text := plain(err.Error())
	if key, ok := strings.CutPrefix(text, "no such key: "); ok {
		if said := j.missing(e, key); said != "" {
			return said
		}
		return fmt.Sprintf("there is no key %q: give it a default, such as …[?%q].orValue(…)", key, key)
	}
	for _, f := range failures {
		if strings.Contains(text, f.found) {
			return f.say
		}
	}
	return text
}

// missing label, by the place where it was asked for: in the expression, or in a variable of it.
func (j *judgement) missing(e *expression, key string) string {
	expressions := []*expression{e}
	for i, v := range j.policy.variables {
		if j.policy.closure(e).variables&(1<<i) != 0 {
			expressions = append(expressions, v)
		}
	}
	said := ""
	for _, e := range expressions {
		if e.checked == nil {
			continue
		}
		ast.PostOrderVisit(e.checked.NativeRep().Expr(), ast.NewExprVisitor(func(at ast.Expr) {
			part, field, ok := mapOf(at, key)
			if !ok || said != "" {
				return
			}
			held, name := j.mapIn(part, field)
			if _, there := held[key]; !there {
				said = fmt.Sprintf("%s %s has no %s %s: set it, or write %s.%s[?%q].orValue(\"\")", part, name, strings.TrimSuffix(field, "s"), key, part, field, key)
			}
		}))
	}
	return said
}

// mapOf the Facts that is asked for a key: server and labels, of server.labels.rack.
func mapOf(e ast.Expr, key string) (part, field string, ok bool) {
	var of ast.Expr
	switch e.Kind() {
	case ast.SelectKind:
		if e.AsSelect().FieldName() != key || e.AsSelect().IsTestOnly() {
			return "", "", false
		}
		of = e.AsSelect().Operand()
	case ast.CallKind:
		if e.AsCall().FunctionName() != "_[_]" {
			return "", "", false
		}
		if written, literally := literal(e.AsCall().Args()[1]); literally && written != key {
			return "", "", false
		}
		of = e.AsCall().Args()[0]
	default:
		return "", "", false
	}
	if of.Kind() != ast.SelectKind || of.AsSelect().Operand().Kind() != ast.IdentKind {
		return "", "", false
	}
	part, field = of.AsSelect().Operand().AsIdent(), of.AsSelect().FieldName()
	return part, field, field == "labels" || field == "hardware"
}

// mapIn a part of the Facts, with the part's name.
func (j *judgement) mapIn(part, field string) (map[string]string, string) {
	f := j.facts
	switch {
	case part == "server" && field == "hardware":
		return f.Server.Hardware, f.Server.Name
	case part == "server":
		return f.Server.Labels, f.Server.Name
	case part == "operation":
		return f.Operation.Labels, f.Operation.Name
	case part == "profile":
		return f.Profile.Labels, f.Profile.Name
	case part == "group":
		return f.Group.Labels, f.Group.Name
	case part == "datacenter":
		return f.Datacenter.Labels, f.Datacenter.Name
	}
	return nil, ""
}
