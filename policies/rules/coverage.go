package rules

import (
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/parser"
)

// Coverage of a policy by judgements: what of it was seen to be true, and what to be false. It is used
// by one goroutine.
type Coverage struct {
	policy   *Policy
	programs []tracked
}

// Branch is a rule, a match condition, or a part of an expression that decides something: what stands
// beside && or ||, or before ?.
type Branch struct {
	// Path of the expression that it is in.
	Path string
	// Line and Column of the part, from 1.
	Line, Column int
	// Expression of the part.
	Expression string
	// Whole: it is the expression of a rule or a match condition itself.
	Whole bool
	// True and False: it was seen to be so.
	True, False bool
}

// A tracked expression with its branches, by their ids.
type tracked struct {
	expression *expression
	program    cel.Program
	ids        []int64
	branches   []Branch
}

// Cover starts the coverage of a policy. One that does not compile has nothing to cover.
func (p *Policy) Cover() *Coverage {
	c := &Coverage{policy: p}
	if len(p.problems) > 0 {
		return c
	}
	for _, list := range [][]*expression{p.conditions, p.variables} {
		for _, e := range list {
			c.add(e, e.typ.IsExactType(cel.BoolType) && !slices.Contains(p.variables, e))
		}
	}
	for _, r := range p.rules {
		c.add(r.violated, true)
	}
	return c
}

func (c *Coverage) add(e *expression, whole bool) {
	program, err := c.policy.tracking(e)
	if err != nil {
		return // It was planned before, with more to it.
	}
	t := tracked{expression: e, program: program}
	native := e.checked.NativeRep()
	note := func(part ast.Expr, whole bool) {
		text, err := parser.Unparse(part, native.SourceInfo())
		if err != nil || part.Kind() == ast.LiteralKind {
			return
		}
		at := native.SourceInfo().GetStartLocation(leftmost(part).ID())
		t.ids = append(t.ids, part.ID())
		t.branches = append(t.branches, Branch{Path: e.path, Line: at.Line(), Column: at.Column() + 1, Expression: flat(text), Whole: whole})
	}
	if whole {
		note(native.Expr(), true)
	}
	decisions(native.Expr(), func(part ast.Expr) { note(part, false) })
	if len(t.branches) > 0 {
		c.programs = append(c.programs, t)
	}
}

// leftmost part of a part, which is where its text starts.
func leftmost(e ast.Expr) ast.Expr {
	for {
		switch {
		case e.Kind() == ast.SelectKind:
			e = e.AsSelect().Operand()
		case e.Kind() == ast.CallKind && e.AsCall().IsMemberFunction():
			e = e.AsCall().Target()
		case e.Kind() == ast.CallKind && len(e.AsCall().Args()) > 1 && !isWord(e.AsCall().FunctionName()):
			e = e.AsCall().Args()[0]
		default:
			return e
		}
	}
}

// decisions in an expression: the operands of && and ||, and the conditions of ? :. What is inside of a
// loop over a list has no one value, and is left out.
func decisions(e ast.Expr, visit func(ast.Expr)) {
	if e.Kind() == ast.CallKind {
		name := e.AsCall().FunctionName()
		for i, arg := range e.AsCall().Args() {
			operand := name == operators.LogicalAnd || name == operators.LogicalOr || name == operators.Conditional && i == 0
			same := arg.Kind() == ast.CallKind && arg.AsCall().FunctionName() == name
			if operand && !same {
				visit(arg)
			}
		}
	}
	for _, child := range childrenOf(e) {
		decisions(child, visit)
	}
}

// Add a judgement to what was seen. It costs as much as one, and some more.
func (c *Coverage) Add(f *Facts, fleet Fleet) {
	if !c.policy.Match(f) {
		return
	}
	j := c.policy.judge(f, fleet)
	defer j.done()
	met, conditions := j.conditions()
	asked := map[*expression]bool{}
	for _, e := range c.policy.conditions {
		asked[e] = true
	}
	if met && conditions.failed == nil {
		for _, r := range c.policy.rules {
			// Judged as ever, first: what tracks its state has no bound of its own.
			asked[r.violated] = !j.rule(r).trace.slow
		}
	}
	for i, e := range c.policy.variables {
		asked[e] = j.cells[i].done && !j.cells[i].trace.slow
	}
	for i := range c.programs {
		if t := &c.programs[i]; asked[t.expression] {
			t.see(j)
		}
	}
}

func (t *tracked) see(j *judgement) {
	var scratch trace
	j.trace = &scratch
	_, details, _ := t.program.Eval(j)
	for i, id := range t.ids {
		value, ok := details.State().Value(id)
		if !ok {
			continue
		}
		switch value {
		case types.True:
			t.branches[i].True = true
		case types.False:
			t.branches[i].False = true
		}
	}
}

// Branches with what was seen of them, in the order of the policy.
func (c *Coverage) Branches() []Branch {
	var all []Branch
	for _, t := range c.programs {
		all = append(all, t.branches...)
	}
	return all
}
