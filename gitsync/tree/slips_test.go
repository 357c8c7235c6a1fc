package tree

import (
	"fmt"
	"strings"
	"testing"

	"stargate.io/stargate/api/v1alpha1"
)

// slipAt is where the first @ of a text stands.
func slipAt(path, text string) []Slip {
	before, _, found := strings.Cut(text, "@")
	if !found {
		return nil
	}
	line := strings.Count(before, "\n") + 1
	return []Slip{{Path: path, Line: line, Column: len(before) - strings.LastIndexByte(before, '\n'), Message: "no @ here"}}
}

// ats takes every @ of an expression or script for a mistake.
func ats() Options {
	return Options{
		Fleet: "prod", Schemas: installed(),
		CheckPolicy: func(p *v1alpha1.Policy) []Slip {
			var all []Slip
			for _, v := range p.Spec.Variables {
				all = append(all, slipAt("spec.variables["+v.Name+"].expression", v.Expression)...)
			}
			for _, rule := range p.Spec.Rules {
				all = append(all, slipAt("spec.rules["+rule.Name+"].expression", rule.Expression)...)
			}
			return all
		},
		CheckHook: func(h *v1alpha1.Hook) []Slip { return slipAt("spec.script", h.Spec.Script) },
	}
}

// TestSlipsAreToldWhereTheyStand, in whatever style the text is written: at the very letter, where no
// letter is escaped.
func TestSlipsAreToldWhereTheyStand(t *testing.T) {
	const head = "apiVersion: stargate.io/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec:\n  rules:\n  - name: first\n    expression: \"true\"\n    effect: Hold\n    message: m\n  - name: second\n    effect: Hold\n    message: m\n"
	const hook = "apiVersion: stargate.io/v1alpha1\nkind: Hook\nmetadata: {name: h}\nspec:\n  when: Before\n"
	for name, text := range map[string]string{
		"plain":                       head + "    expression: server.os == @\n",
		"plain over lines":            head + "    expression: server.os == 'a' ||\n      server.os == @ ||\n      server.os == 'c'\n",
		"in single quotes":            head + "    expression: 'server.os == @'\n",
		"in double quotes":            head + "    expression: \"server.os == @\"\n",
		"in double quotes over lines": head + "    expression: \"server.os == 'a' ||\n      server.os == @\"\n",
		"a block":                     head + "    expression: |\n      server.os == 'a' ||\n      server.os == @\n",
		"a block without its end":     head + "    expression: |-\n\n      server.os == 'a' ||\n\n        server.os == @\n",
		"a folded block":              head + "    expression: >\n      server.os == 'a' ||\n      server.os == 'b' ||\n\n      server.os == @ ||\n      server.os == 'c'\n",
		"a folded block, first line":  head + "    expression: >-\n      server.os == @ ||\n      server.os == 'b'\n",
		"the same line twice":         head + "    expression: |\n      true ||\n      true ||\n      true || @\n",
		"Windows' line ends":          strings.ReplaceAll(head+"    expression: |\n      server.os == 'a' ||\n      server.os == @\n", "\n", "\r\n"),
		"the second document":         strings.ReplaceAll(head, "{name: p}", "{name: q}") + "    expression: 'true'\n---\n" + head + "    expression: |\n      true || @\n",
		"a variable":                  head + "    expression: 'true'\n  variables:\n  - name: a\n    expression: 'true'\n  - {name: b, expression: 'true || @'}\n",
		"an alias":                    head + "    expression: 'true'\n  variables:\n  - name: a\n    expression: &same |\n      true || @\n",
		"a script":                    hook + "  script: |\n    function run(ctx)\n      return @\n    end\n",
	} {
		t.Run(name, func(t *testing.T) {
			before, _, _ := strings.Cut(text, "@")
			want := fmt.Sprintf("policies/p.yaml:%d", strings.Count(before, "\n")+1)
			column := len(before) - strings.LastIndexByte(before, '\n')
			_, problems := Read([]File{{Path: "policies/p.yaml", Data: []byte(text)}}, ats())
			if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), want) || problems[0].Column != column {
				t.Errorf("want it at %s, column %d, got\n%s", want, column, lines(problems))
			}
		})
	}
}

// TestSlipsOfEscapedText are told at the field.
func TestSlipsOfEscapedText(t *testing.T) {
	const text = "apiVersion: stargate.io/v1alpha1\nkind: Policy\nmetadata: {name: p}\nspec:\n  rules:\n  - name: r\n    effect: Hold\n    message: m\n    expression: \"\\u0073erver.os\\n == @\"\n"
	_, problems := Read([]File{{Path: "policies/p.yaml", Data: []byte(text)}}, ats())
	if len(problems) != 1 || problems[0].Line != 9 || !strings.Contains(problems[0].String(), "rules[r].expression: no @ here") {
		t.Errorf("got\n%s", lines(problems))
	}
}

// TestSlipsOfScripts in a file of their own are told there.
func TestSlipsOfScripts(t *testing.T) {
	_, problems := Read([]File{
		{Path: "hooks/h.yaml", Data: []byte("apiVersion: stargate.io/v1alpha1\nkind: Hook\nmetadata: {name: h}\nspec: {when: Before, scriptFile: lua/h.lua}\n")},
		{Path: "hooks/lua/h.lua", Data: []byte("function run(ctx)\n  return @\nend\n")},
	}, ats())
	if len(problems) != 1 || problems[0].Place != (Place{File: "hooks/lua/h.lua", Line: 2, Column: 10}) || !strings.Contains(problems[0].String(), "Hook/h") {
		t.Errorf("got\n%s", lines(problems))
	}
}
