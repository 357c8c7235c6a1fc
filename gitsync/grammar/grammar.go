// Package grammar reads the two languages that people write into objects, CEL in Policies and Lua in Hooks, and
// says what does not compile.
//
// In: a Policy or Hook. Out: slips, each with the field, the line and column in its text, and the mend; a commit
// with one changes nothing. It runs nothing of what it reads, and looks at no other object.
package grammar

import (
	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/policies/hooks"
	"stargate.io/stargate/policies/rules"
)

// Policy gives what is wrong with the expressions of one.
func Policy(policy *v1alpha1.Policy) []tree.Slip {
	source, err := tree.PolicySource(policy)
	if err != nil {
		return []tree.Slip{{Path: "spec.match.serverSelector", Message: err.Error()}}
	}
	_, problems := rules.Compile(source)
	slips := make([]tree.Slip, 0, len(problems))
	for _, p := range problems {
		slips = append(slips, tree.Slip{Path: p.Path, Line: p.Line, Column: p.Column, Message: p.Message})
	}
	return slips
}

// Hook gives what is wrong with the script of one.
func Hook(hook *v1alpha1.Hook) []tree.Slip {
	_, problems := hooks.Compile(hook.Name, hook.Spec.Script)
	slips := make([]tree.Slip, 0, len(problems))
	for _, p := range problems {
		slips = append(slips, tree.Slip{Path: "spec.script", Line: p.Line, Column: p.Column, Message: p.Message})
	}
	return slips
}
