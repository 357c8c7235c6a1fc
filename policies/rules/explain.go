package rules

import (
	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
	"github.com/google/cel-go/parser"
)

// Explanation of a judgement: what each part of a policy came to.
type Explanation struct {
	Policy string
	DryRun bool
	// Matched: its match, and all its match conditions, mean this Operation.
	Matched bool
	// Problems for which it holds whatever it matches.
	Problems   []Problem
	Conditions []Explained
	// Variables, in their order. One that nothing asked for is computed all the same.
	Variables []Explained
	// Rules, those that pass too; none where it does not match, or does not compile.
	Rules []ExplainedRule
	// Asked are all questions to the fleet, each once, with the answers.
	Asked []Asked
	// Cost of all of it, in units.
	Cost uint64
}

// Explained is what an expression came to.
type Explained struct {
	Name, Expression string
	// Value as the language writes it, or the error that it ended in.
	Value  string
	Failed bool
	// Unused: a variable that nothing asked for.
	Unused bool
	// Cost of it, without its variables.
	Cost uint64
}

// ExplainedRule is what a rule came to.
type ExplainedRule struct {
	Explained
	Effect Effect
	// Finding that it makes, with what would release it; nil where it passes.
	Finding *Finding
	// Parts of it, the larger before what they are made of.
	Parts []Part
}

// Part of an expression, as it is written, with its value. What was not asked for, since what stands
// before it decided, has none.
type Part struct {
	Expression, Value string
	Asked             bool
	// Depth of it in the expression.
	Depth int
}

// Explain judges an Operation and tells everything that was seen on the way. It costs some
// evaluations more than Evaluate, each bounded like that one.
func (p *Policy) Explain(f *Facts, fleet Fleet) Explanation {
	x := Explanation{Policy: p.source.Name, DryRun: p.source.DryRun, Problems: p.Problems()}
	if !p.Match(f) {
		return x
	}
	j := p.judge(f, fleet)
	defer j.done()
	for _, e := range p.conditions {
		x.Conditions = append(x.Conditions, j.explained(e))
	}
	met, conditions := j.conditions()
	x.Matched = met
	switch {
	case !met:
	case len(p.problems) > 0:
		x.Rules = []ExplainedRule{{Effect: Hold, Finding: new(p.broken())}}
	case conditions.failed != nil:
		f := j.finding(conditions, trace{})
		x.Rules = []ExplainedRule{{Explained: Explained{Name: f.Rule, Expression: conditions.expression.text, Value: f.Message, Failed: true}, Effect: Hold, Finding: &f}}
	default:
		for _, r := range p.rules {
			x.Rules = append(x.Rules, j.explainedRule(r, conditions.trace))
		}
	}
	x.Asked = j.questions(trace{to: len(j.asked)})
	for i, e := range p.variables {
		if e.program == nil {
			continue
		}
		unused := !j.cells[i].done
		j.trace = &trace{}
		_, _ = j.variable(i)
		v := Explained{Name: e.name, Expression: e.text, Value: show(j.cells[i].value), Unused: unused, Cost: j.cells[i].cost}
		v.Failed = isError(j.cells[i].value)
		x.Variables = append(x.Variables, v)
	}
	x.Cost = j.spent
	return x
}

// explained value of an expression, asked now.
func (j *judgement) explained(e *expression) Explained {
	var t trace
	value := j.run(e, &t)
	return Explained{Name: e.name, Expression: e.text, Value: show(value), Failed: isError(value), Cost: j.last}
}

func (j *judgement) explainedRule(r *rule, conditions trace) ExplainedRule {
	x := ExplainedRule{Explained: j.explained(r.violated), Effect: r.Effect}
	o := j.rule(r)
	// With state tracking, cel does not keep to a limit of cost. What has just come to its end within
	// the limit does so once more, for it sees the same.
	if !o.trace.slow {
		x.Parts = j.parts(r.violated)
	}
	if o.failed == nil && o.passed {
		return x
	}
	f := j.policy.Foresee(j.facts, j.fleet, j.finding(o, conditions))
	x.Finding = &f
	return x
}

// tracking program of an expression: one that keeps the value of each part.
func (p *Policy) tracking(e *expression) (cel.Program, error) {
	return p.language.Program(e.checked,
		cel.EvalOptions(cel.OptTrackState), cel.CustomDecoratorV2(readOnce), cel.CustomDecoratorV2(guarded(e.checked, shared().bindings)))
}

// parts of an expression, with their values.
func (j *judgement) parts(e *expression) []Part {
	program, err := j.policy.tracking(e)
	if err != nil {
		return nil // It was planned before, with more to it.
	}
	var t trace
	j.trace = &t
	_, details, _ := program.Eval(j)
	var parts []Part
	w := walk{state: details.State(), info: e.checked.NativeRep().SourceInfo()}
	w.add(&parts, e.checked.NativeRep().Expr(), 0)
	return parts
}

// A walk through an expression.
type walk struct {
	state interpreter.EvalState
	info  *ast.SourceInfo
}

// most parts that are told of one expression.
const mostParts = 64

func (w walk) add(parts *[]Part, e ast.Expr, depth int) {
	if len(*parts) >= mostParts {
		return
	}
	below := depth
	if w.telling(e) {
		text, err := parser.Unparse(e, w.info)
		if err == nil {
			value, asked := w.state.Value(e.ID())
			part := Part{Expression: flat(text), Asked: asked, Depth: depth}
			if asked {
				part.Value = show(value)
			}
			*parts = append(*parts, part)
			below++
		}
	}
	for _, child := range w.within(e) {
		w.add(parts, child, below)
	}
}

// telling parts are those whose value a reader does not see in the text.
func (w walk) telling(e ast.Expr) bool {
	switch e.Kind() {
	case ast.CallKind, ast.ComprehensionKind, ast.SelectKind:
		return true
	default:
		return e.Kind() == ast.IdentKind && e.AsIdent() == "now"
	}
}

// within an expression: what is told beside it. Of a loop over a list that is the list, since what is
// inside had another value each time; of a path nothing.
func (w walk) within(e ast.Expr) []ast.Expr {
	children := childrenOf(e)
	switch {
	case e.Kind() == ast.CallKind && (e.AsCall().FunctionName() == askFunction || isClock(e.AsCall().FunctionName())):
		return children[1:] // The fleet and the clock go without saying.
	case e.Kind() == ast.SelectKind && (children[0].Kind() == ast.SelectKind || children[0].Kind() == ast.IdentKind):
		return nil
	}
	return children
}

func isClock(function string) bool {
	for _, m := range methods {
		if function == m.internal() {
			return true
		}
	}
	return false
}

func isError(v ref.Val) bool { return v != nil && v.Type().TypeName() == "error" }
