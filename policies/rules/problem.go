package rules

import (
	"github.com/google/cel-go/cel"
)

// refuse notes what cel says of an expression.
func (c *compiler) refuse(path, text string, parsed *cel.Ast, issues *cel.Issues) {
	for _, issue := range issues.Errors() {
		c.policy.problems = append(c.policy.problems, Problem{
			Path: path, Line: issue.Location.Line(), Column: issue.Location.Column() + 1, Message: issue.Message,
		})
	}
}

func (c *compiler) costs() {}
