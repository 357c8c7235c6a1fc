package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
)

// A slip is an expression that cel refuses, with what it says of it.
type slip struct {
	compiler *compiler
	// at is the part that is refused; nil where the text was not even parsed.
	at ast.Expr
	// found in cel's message.
	found []string
}

// sayings are cel's messages, and how we say it.
var sayings = []struct {
	pattern *regexp.Regexp
	say     func(slip) string
}{
	{regexp.MustCompile(`^undeclared reference to '(.*)' \(in container`), slip.undeclared},
	{regexp.MustCompile(`^undefined field '(.*)'$`), slip.noField},
	{regexp.MustCompile(`^found no matching overload for '(.*)' applied to '(.*)'$`), slip.noOverload},
	{regexp.MustCompile(`^expected type '(.*)' but found '(.*)'$`), func(s slip) string {
		return fmt.Sprintf("this is of type %s, and must be of type %s", plain(s.found[2]), plain(s.found[1]))
	}},
	{regexp.MustCompile(`^expression of type '(.*)' cannot be range`), func(s slip) string {
		return fmt.Sprintf("only a list or a map has items to look at, and this is of type %s", plain(s.found[1]))
	}},
	{regexp.MustCompile(`^type '(.*)' does not support field selection`), func(s slip) string {
		return fmt.Sprintf("a value of type %s has no fields", plain(s.found[1]))
	}},
	{regexp.MustCompile(`^invalid matches argument`), func(slip) string {
		return "the pattern is no regular expression (RE2), or one that is too large: escape what is meant as it is, such as \\\\. or \\\\("
	}},
	{regexp.MustCompile(`^invalid duration argument`), func(slip) string {
		return "this is no duration: write for example \"90s\", \"5m\" or \"1h30m\""
	}},
	{regexp.MustCompile(`^invalid timestamp argument`), func(slip) string {
		return "this is no time: write for example \"2026-12-20T18:00:00Z\""
	}},
	{regexp.MustCompile(`^invalid argument to has`), func(slip) string {
		return "has() asks for a field: write for example has(server.labels.rack)"
	}},
	{regexp.MustCompile(`^reserved identifier: (.*)$`), func(s slip) string {
		return fmt.Sprintf("%s is a reserved word of the language: as a label write server.labels[%q]", s.found[1], s.found[1])
	}},
	{regexp.MustCompile(`^Syntax error: mismatched input '<EOF>'|^Syntax error: missing '(.*)' at '<EOF>'`), func(s slip) string {
		if s.found[1] != "" {
			return fmt.Sprintf("the expression ends where a %s is missing", s.found[1])
		}
		return "the expression ends where something is missing: a value, or what closes a bracket"
	}},
	{regexp.MustCompile(`^Syntax error: token recognition error at: '(.*)'$`), slip.strange},
	{regexp.MustCompile(`^Syntax error: (?:extraneous input|mismatched input|no viable alternative at input) '(.*?)'(?: expecting.*)?$`), func(s slip) string {
		return fmt.Sprintf("%s is not expected here", s.found[1])
	}},
	{regexp.MustCompile(`^Syntax error: (.*)$`), func(s slip) string { return s.found[1] }},
	{regexp.MustCompile(`(?i)recursion|node|too deep|nesting`), func(slip) string {
		return "the expression is nested too deep, or has too many parts: move some of them to variables"
	}},
}

// refuse notes what is wrong with an expression.
func (c *compiler) refuse(path string, parsed *cel.Ast, issues *cel.Issues) {
	nodes := map[int64]ast.Expr{}
	if parsed != nil {
		ast.PostOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
			nodes[e.ID()] = e
		}))
	}
	for _, issue := range issues.Errors() {
		message := issue.Message
		if parsed == nil && len(c.policy.problems) > 0 && c.policy.problems[len(c.policy.problems)-1].Path == path {
			return // After a first slip a parser finds others that are none.
		}
		for _, s := range sayings {
			if found := s.pattern.FindStringSubmatch(message); found != nil {
				message = s.say(slip{compiler: c, at: nodes[issue.ExprID], found: found})
				break
			}
		}
		p := Problem{Path: path, Line: max(issue.Location.Line(), 0), Column: issue.Location.Column() + 1, Message: message}
		if !slices.Contains(c.policy.problems, p) {
			c.policy.problems = append(c.policy.problems, p)
		}
	}
}

// childrenOf an expression, as they are written; of a loop over a list that is the list.
func childrenOf(e ast.Expr) []ast.Expr {
	switch e.Kind() {
	case ast.SelectKind:
		return []ast.Expr{e.AsSelect().Operand()}
	case ast.CallKind:
		if e.AsCall().IsMemberFunction() {
			return append([]ast.Expr{e.AsCall().Target()}, e.AsCall().Args()...)
		}
		return e.AsCall().Args()
	case ast.ListKind:
		return e.AsList().Elements()
	case ast.ComprehensionKind:
		return []ast.Expr{e.AsComprehension().IterRange()}
	default:
		return nil
	}
}

// byLikelihood are the parts of the Facts that a field on its own may be meant to be of.
var byLikelihood = []string{"server", "operation", "profile", "datacenter", "group", "requester", "source"}

// undeclared is a variable or a function that there is not.
func (s slip) undeclared() string {
	name := s.found[1]
	if s.at != nil && s.at.Kind() == ast.CallKind {
		functions := s.compiler.functionNames()
		if s.at.AsCall().IsMemberFunction() && s.at.AsCall().Target().Kind() == ast.IdentKind {
			switch s.at.AsCall().Target().AsIdent() {
			case "now":
				return fmt.Sprintf("now has no %s%s", name, orElse(name, methodNames(), "it has "+listed(methodNames())))
			case fleetType:
				return fmt.Sprintf("fleet has no %s%s", name, orElse(name, kindNames, "it has "+listed(kindNames)))
			}
		}
		return fmt.Sprintf("there is no function %s%s", name, orElse(name, functions, "the reference of policies lists them"))
	}
	for _, part := range byLikelihood {
		if _, ok := schema[part].fields[name]; ok && nearest(name, variableNames()) == "" {
			return fmt.Sprintf("there is no variable %s: did you mean %s.%s?", name, part, name)
		}
	}
	if slices.Contains(s.compiler.names, name) {
		return fmt.Sprintf("there is no variable %s: did you mean variables.%s?", name, name)
	}
	return fmt.Sprintf("there is no variable %s%s", name, orElse(name, variableNames(), "there are "+listed(variableNames())))
}

// noField of something.
func (s slip) noField() string {
	name, of := s.found[1], ""
	if s.at != nil && s.at.Kind() == ast.SelectKind && s.at.AsSelect().Operand().Kind() == ast.IdentKind {
		of = s.at.AsSelect().Operand().AsIdent()
	}
	switch of {
	case variablesType:
		declared := s.compiler.names
		for _, v := range s.compiler.policy.source.Variables {
			if v.Name == name {
				return fmt.Sprintf("variables.%s is not known yet: a variable may use those before it, and none that uses it", name)
			}
		}
		if len(declared) == 0 {
			return fmt.Sprintf("there is no variable %s: none is declared before this", name)
		}
		return fmt.Sprintf("there is no variable %s%s", name, orElse(name, declared, "there are "+listed(declared)))
	case fleetType:
		return fmt.Sprintf("fleet has no field %s: ask it, for example fleet.unavailable({\"rack\": server.labels.rack})", name)
	}
	if part, ok := schema[of]; ok {
		return fmt.Sprintf("%s has no field %s%s", of, name, orElse(name, part.names, "it has "+listed(part.names)))
	}
	return fmt.Sprintf("there is no field %s", name)
}

// noOverload of a function for what it is given.
func (s slip) noOverload() string {
	name, given := s.found[1], plain(s.found[2])
	if name == askFunction {
		if strings.Contains(given, "optional") {
			return "the value of a key may be missing: give it a default, such as server.labels[?\"rack\"].orValue(\"\")"
		}
		return "the values that a question counts by must be strings, and the time of fleet.failed a duration, such as duration(\"1h\")"
	}
	for _, m := range methods {
		if name == m.internal() {
			return fmt.Sprintf("now.%s does not take %s: write for example %s", m.name, strings.Replace(given, "(clock, ", "(", 1), m.example)
		}
	}
	if operator, ok := operators.FindReverse(name); ok && operator != "" {
		return fmt.Sprintf("%s does not take %s: %s", operator, given, mendOf(given))
	}
	switch name {
	case operators.Conditional:
		return fmt.Sprintf("? : does not take %s: both results must be of one type", given)
	case operators.Index:
		return fmt.Sprintf("[…] does not take %s: a list is asked by number, a map by key", given)
	}
	return fmt.Sprintf("%s does not take %s: it takes %s", name, given, s.compiler.signatures(name))
}

// mendOf what an operator was given.
func mendOf(given string) string {
	if strings.Contains(given, "optional") {
		return "give what may be missing a default with .orValue(…)"
	}
	return "both sides must be of types that go together; string(…), int(…), duration(…) and timestamp(…) convert"
}

// strange characters.
func (s slip) strange() string {
	text := s.found[1]
	switch {
	case strings.HasPrefix(text, `"`), strings.HasPrefix(text, "'"):
		return "a string is not closed on its line: close it with the quote that opens it"
	case strings.HasPrefix(text, "="):
		return "a single = compares nothing: write =="
	case strings.HasPrefix(text, "&"), strings.HasPrefix(text, "|"):
		return "write && for and, || for or"
	}
	return fmt.Sprintf("%+q is no part of the language: remove it, or put it in quotes", text)
}
