package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// Most that a policy may have of each.
const maxOfEach = 64

// A compiler of one policy.
type compiler struct {
	policy *Policy
	env    *cel.Env
	// variables that may be used so far, with their fields.
	provider *provider
	names    []string
}

// Compile a source. The policy is never nil: one with problems holds whatever its match means, and
// nothing else.
func Compile(s Source) (*Policy, []Problem) {
	c := &compiler{policy: &Policy{source: s, hash: hashOf(s)}}
	c.sizes()
	c.environment(len(s.Variables) > 0)
	c.policy.language = c.env
	if len(c.policy.problems) == 0 {
		c.variables()
		c.conditions()
		c.rules()
		c.costs()
		c.warnings()
	}
	return c.policy, c.policy.Problems()
}

func (c *compiler) problem(path, format string, arguments ...any) {
	c.policy.problems = append(c.policy.problems, Problem{Path: path, Message: fmt.Sprintf(format, arguments...)})
}

// sizes of the source: what is too much is not even read.
func (c *compiler) sizes() {
	s := &c.policy.source
	for what, n := range map[string]int{"matchConditions": len(s.MatchConditions), "variables": len(s.Variables), "rules": len(s.Rules)} {
		if n > maxOfEach {
			c.problem("spec."+what, "there are %d, and may be %d: write another policy for the rest", n, maxOfEach)
		}
	}
	if len(s.Rules) == 0 {
		c.problem("spec.rules", "there is no rule: write at least one")
	}
}

// environment of the policy: the shared one, or, with variables, one that knows them.
func (c *compiler) environment(variables bool) {
	c.env = shared().env
	if !variables {
		return
	}
	base := c.env.CELTypeProvider().(*provider)
	c.provider = &provider{Registry: base.Registry, variables: map[string]*types.FieldType{}}
	env, err := c.env.Extend(cel.CustomTypeProvider(c.provider))
	if err != nil {
		panic(fmt.Sprintf("adding variables to the language of policies: %v", err)) // The same for all.
	}
	c.env = env
}

func (c *compiler) variables() {
	for _, v := range c.policy.source.Variables {
		path := "spec.variables[" + v.Name + "].expression"
		if slices.Contains(c.names, v.Name) {
			c.problem("spec.variables["+v.Name+"].name", "there are two variables %s: rename one", v.Name)
			continue
		}
		e := c.compile(path, v.Expression, nil)
		if e == nil {
			// Its name is known, so that those who use it are not said to be wrong as well.
			e = &expression{path: path, typ: cel.DynType}
		}
		e.name = v.Name
		i := len(c.policy.variables)
		c.names = append(c.names, v.Name)
		c.policy.variables = append(c.policy.variables, e)
		c.provider.variables[v.Name] = &types.FieldType{
			Type:  e.typ,
			IsSet: func(any) bool { return true },
			GetFrom: func(of any) (any, error) {
				return of.(*judgement).variable(i)
			},
		}
	}
}

func (c *compiler) conditions() {
	seen := map[string]bool{}
	for _, m := range c.policy.source.MatchConditions {
		if seen[m.Name] {
			c.problem("spec.matchConditions["+m.Name+"].name", "there are two conditions %s: rename one", m.Name)
			continue
		}
		seen[m.Name] = true
		if e := c.compile("spec.matchConditions["+m.Name+"].expression", m.Expression, cel.BoolType); e != nil {
			e.name = m.Name
			c.policy.conditions = append(c.policy.conditions, e)
		}
	}
}

func (c *compiler) rules() {
	seen := map[string]bool{}
	for _, r := range c.policy.source.Rules {
		path := "spec.rules[" + r.Name + "]"
		if seen[r.Name] {
			c.problem(path+".name", "there are two rules %s: rename one", r.Name)
			continue
		}
		seen[r.Name] = true
		switch r.Effect {
		case Deny, Hold, Warn, Audit:
		default:
			c.problem(path+".effect", "%q is no effect: write Deny, Hold, Warn or Audit", r.Effect)
		}
		compiled := &rule{Rule: r, violated: c.compile(path+".expression", r.Expression, cel.BoolType)}
		if r.MessageExpression != "" {
			compiled.message = c.compile(path+".messageExpression", r.MessageExpression, cel.StringType)
		}
		if compiled.violated != nil {
			compiled.violated.name = r.Name
			c.policy.rules = append(c.policy.rules, compiled)
		}
	}
}

// compile one expression, whose result must be of a type where one is given; nil with problems
// noted where it does not compile.
func (c *compiler) compile(path, text string, want *cel.Type) *expression {
	if problems := unreadable(path, text); problems != nil {
		c.policy.problems = append(c.policy.problems, problems...)
		return nil
	}
	parsed, issues := c.env.Parse(text)
	if issues.Err() != nil {
		c.refuse(path, nil, issues)
		return nil
	}
	checked, issues := c.env.Check(parsed)
	if issues.Err() != nil {
		c.refuse(path, parsed, issues)
		return nil
	}
	if made := madeFact(checked); made != "" {
		c.problem(path, "a %s cannot be made, only read", made)
		return nil
	}
	if got := checked.OutputType(); want != nil && !want.IsExactType(got) {
		c.policy.problems = append(c.policy.problems, Problem{Path: path, Line: 1, Column: 1, Message: wrongResult(want, got)})
		return nil
	}
	e, err := c.plan(path, text, checked)
	if err != nil {
		c.policy.problems = append(c.policy.problems, Problem{Path: path, Line: 1, Column: 1, Message: "it can never be computed: " + plain(err.Error())})
		return nil
	}
	return e
}

// madeFact is the type of a part of the Facts that an expression makes itself; empty for none.
func madeFact(checked *cel.Ast) (made string) {
	ast.PostOrderVisit(checked.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.StructKind {
			made = e.AsStruct().TypeName()
		}
	}))
	return made
}

func wrongResult(want, got *cel.Type) string {
	if got.Kind() == types.DynKind {
		return fmt.Sprintf("the type of the result is not known, and must be %s: convert it with %s(…)", want, want)
	}
	if want.IsExactType(cel.BoolType) {
		return fmt.Sprintf("the result is of type %s, and must be true or false: compare it with something", plain(cel.FormatCELType(got)))
	}
	return fmt.Sprintf("the result is of type %s, and must be a string: use string(…)", plain(cel.FormatCELType(got)))
}

// unreadable tells what is wrong with a text before it is even parsed: a parser recurses.
func unreadable(path, text string) []Problem {
	at := func(line, column int, format string, arguments ...any) []Problem {
		return []Problem{{Path: path, Line: line, Column: column, Message: fmt.Sprintf(format, arguments...)}}
	}
	if strings.TrimSpace(text) == "" {
		return at(0, 0, "there is no expression: write one")
	}
	if len(text) > MaxLength {
		return at(0, 0, "the expression is %d bytes long, and may be %d: move parts of it to variables", len(text), MaxLength)
	}
	line, column, depth := 1, 0, 0
	for _, r := range text {
		column++
		switch r {
		case '\n':
			line, column = line+1, 0
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case 0:
			return at(line, column, "there is a character U+0000: remove it")
		}
		if depth > MaxNesting {
			return at(line, column, "brackets are nested more than %d deep: move parts of the expression to variables", MaxNesting)
		}
	}
	return nil
}
