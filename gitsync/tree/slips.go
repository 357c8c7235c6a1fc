package tree

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"stargate.io/stargate/api/v1alpha1"
)

// Slip is something wrong with a text that only its own language's compiler sees: an expression of a Policy,
// the script of a Hook.
type Slip struct {
	// Path of the field; of what is in a list by name, as in "spec.rules[per-rack].expression".
	Path string
	// Line and Column within the text, from 1; zero where they are not known.
	Line, Column int
	// Message says what is wrong and how to mend it.
	Message string
}

// slips of a policy or hook, each told where it stands: in the YAML, or in the script's own file.
func (r *reading) slips(all []Slip) {
	for _, slip := range all {
		if r.script != "" && slip.Path == "spec.script" {
			r.problems = append(r.problems, Problem{
				Place: Place{File: r.script, Line: max(slip.Line, 1), Column: slip.Column}, Object: r.title(), Field: "spec.scriptFile",
				Message: plain(slip.Message),
			})
			continue
		}
		field := indexed(r.full, slip.Path)
		r.problem(field, inWords(slip), "")
		if n, whole := spot(r.root, field); whole && slip.Line > 0 {
			told := &r.problems[len(r.problems)-1]
			line, column := r.chunk.within(n, slip.Line, slip.Column)
			told.Line, told.Column = r.chunk.before+line, column
		}
	}
}

// inWords says of which part of the object a slip is.
func inWords(slip Slip) string {
	if part := strings.TrimPrefix(slip.Path, "spec."); part != slip.Path {
		return part + ": " + slip.Message
	}
	return slip.Message
}

// indexed gives a path in which what is in a list by name is there by number.
func indexed(object map[string]any, path string) string {
	var at any = object
	out := ""
	for rest := path; rest != ""; {
		end := strings.IndexAny(rest, ".[")
		switch {
		case end == 0 && rest[0] == '[':
			name, after, _ := strings.Cut(rest[1:], "]")
			list, _ := at.([]any)
			i := named(list, name)
			if i < 0 {
				return out
			}
			at, out, rest = list[i], out+"["+itoa(i)+"]", after
		case end == 0:
			rest = rest[1:]
		default:
			if end < 0 {
				end = len(rest)
			}
			m, _ := at.(map[string]any)
			at = m[rest[:end]]
			if out != "" {
				out += "."
			}
			out, rest = out+rest[:end], rest[end:]
		}
	}
	return out
}

// named finds an entry of a list by its name; -1 where there is none.
func named(list []any, name string) int {
	for i, each := range list {
		if m, ok := each.(map[string]any); ok && m["name"] == name {
			return i
		}
	}
	return -1
}

// within gives the line and column in the document of a place in a text that a node holds. Lines of the document
// are looked for in the text one after the other, so that it does not matter in which of YAML's styles it is
// written; where they cannot be found, since letters are escaped, it is the beginning of the node.
func (c chunk) within(n *yaml.Node, line, column int) (int, int) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	want, at := offset(n.Value, line, column), 0
	first := n.Line
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		first++ // the line of the node has the sign for a block, and nothing of the text
	}
	lines := strings.Split(string(c.text), "\n")
	for number := first; number <= len(lines); number++ {
		from, piece := pieceOf(n, number, lines[number-1])
		if piece == "" {
			continue
		}
		at += blanks(n.Value[at:])
		shared := common(n.Value[at:], piece)
		if shared == 0 {
			break
		}
		if want <= at+shared {
			return number, from + max(want-at, 0) + 1
		}
		at += shared
	}
	return n.Line, n.Column
}

// pieceOf a node's text that a line of the document has, and where it begins in it.
func pieceOf(n *yaml.Node, number int, line string) (from int, piece string) {
	if number == n.Line {
		from = n.Column - 1
		if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
			from++
		}
		from = min(from, len(line))
	}
	piece = strings.TrimLeft(line[from:], " \t")
	return len(line) - len(piece), strings.TrimRight(piece, " \t\r")
}

// offset of a line and column, in bytes.
func offset(text string, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		next := strings.IndexByte(text[at:], '\n')
		if next < 0 {
			return len(text)
		}
		at += next + 1
	}
	for i := range text[at:] {
		if column--; column <= 0 {
			return at + i
		}
	}
	return len(text)
}

// blanks that a text begins with.
func blanks(text string) int { return len(text) - len(strings.TrimLeft(text, " \t\n")) }

// common is how many bytes two texts begin with alike.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// compiled asks for what is wrong with a policy or hook.
func (r *reading) compiled(made any) {
	switch of := made.(type) {
	case *v1alpha1.Policy:
		if r.options.CheckPolicy != nil {
			r.slips(r.options.CheckPolicy(of))
		}
	case *v1alpha1.Hook:
		if r.options.CheckHook != nil {
			r.slips(r.options.CheckHook(of))
		}
	case *v1alpha1.ProvisioningProfile:
		if r.options.CheckProfile == nil {
			return
		}
		if err := r.options.CheckProfile(of); err != nil {
			r.problem("spec", fmt.Sprint(err), "correct it there; `stargate plan` on a working copy checks the same")
		}
	}
}
