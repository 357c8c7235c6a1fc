package rules

import (
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// reads is what an expression reads, as its text shows.
type reads struct {
	dimensions []Dimension
	// variables, a bit each.
	variables uint64
	// clock itself, other than by the functions whose turns are known.
	rawClock bool
	// stamps that admission gives, and approvals.
	requester, source, approvals bool
}

func (r *reads) add(other reads) {
	r.variables |= other.variables
	r.rawClock = r.rawClock || other.rawClock
	r.requester = r.requester || other.requester
	r.source = r.source || other.source
	r.approvals = r.approvals || other.approvals
	for _, d := range other.dimensions {
		if !slices.Contains(r.dimensions, d) {
			r.dimensions = append(r.dimensions, d)
		}
	}
}

func (c *compiler) readsOf(checked *cel.Ast) reads {
	var r reads
	references := checked.NativeRep().ReferenceMap()
	ast.PostOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.IdentKind:
			if references[e.ID()] != nil {
				r.rawClock = r.rawClock || e.AsIdent() == "now"
				r.requester = r.requester || e.AsIdent() == "requester"
				r.source = r.source || e.AsIdent() == "source"
			}
		case ast.SelectKind:
			c.readsField(&r, e.AsSelect())
		case ast.CallKind:
			if e.AsCall().FunctionName() == askFunction {
				handle, _ := e.AsCall().Args()[1].AsLiteral().(types.String)
				r.dimensions = append(r.dimensions, dimensionOf(string(handle)))
			}
		default:
		}
	}))
	return r
}

func (c *compiler) readsField(r *reads, field ast.SelectExpr) {
	if field.Operand().Kind() != ast.IdentKind {
		return
	}
	switch field.Operand().AsIdent() {
	case "operation":
		r.approvals = r.approvals || field.FieldName() == "approvals"
	case variablesType:
		if i := slices.Index(c.names, field.FieldName()); i >= 0 {
			r.variables |= 1 << i
		}
	}
}

// closure is what an expression reads, by way of its variables too.
func (p *Policy) closure(e *expression) reads {
	all := e.reads
	for i := len(p.variables) - 1; i >= 0; i-- { // A variable uses those before it.
		if all.variables&(1<<i) != 0 {
			all.add(p.variables[i].reads)
		}
	}
	return all
}

// Reads tells which rules and match conditions, by name, need stamps that admission gives.
type Reads struct {
	Requester, Source, Approvals []string
}

// Reads tells what of the policy asks for the requester, the source or the approvals.
func (p *Policy) Reads() Reads {
	var r Reads
	note := func(e *expression) {
		all := p.closure(e)
		if all.requester {
			r.Requester = append(r.Requester, e.name)
		}
		if all.source {
			r.Source = append(r.Source, e.name)
		}
		if all.approvals {
			r.Approvals = append(r.Approvals, e.name)
		}
	}
	for _, c := range p.conditions {
		note(c)
	}
	for _, rule := range p.rules {
		note(rule.violated)
	}
	return r
}

// ask notes a dimension that the policy asks for.
func (p *Policy) ask(d Dimension) {
	if i, found := slices.BinarySearchFunc(p.dimensions, d, compareDimensions); !found {
		p.dimensions = slices.Insert(p.dimensions, i, d)
	}
}

func compareDimensions(a, b Dimension) int {
	if c := strings.Compare(string(a.Kind), string(b.Kind)); c != 0 {
		return c
	}
	return strings.Compare(a.Keys, b.Keys)
}

// warnings of what works, and yet not as well as it could.
func (c *compiler) warnings() {
	for _, r := range c.policy.rules {
		if r.Effect == Hold && r.RetryAfter == 0 && c.policy.closure(r.violated).rawClock {
			c.policy.warnings = append(c.policy.warnings, Problem{
				Path: r.violated.path,
				Message: "it compares now itself, so nobody can tell when it changes, and what it holds is asked again each minute: " +
					"write now.past(…), such as now.past(server.lastRepaved + duration(\"24h\")), or now.inWindow(…)",
			})
		}
	}
}
