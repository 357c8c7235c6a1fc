package rules

import (
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/decls"
)

// kindNames of the questions.
var kindNames = []string{string(Active), string(Unavailable), string(Total), string(Failed)}

func methodNames() []string {
	names := make([]string, 0, len(methods))
	for _, m := range methods {
		names = append(names, m.name)
	}
	return names
}

func partNames() []string {
	names := make([]string, 0, len(schema))
	for name := range schema {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func variableNames() []string {
	names := append(partNames(), "now", fleetType, variablesType)
	slices.Sort(names)
	return names
}

// functionNames and those of macros, without operators and what is ours inside.
func (c *compiler) functionNames() []string {
	var names []string
	for name := range c.env.Functions() {
		if isWord(name) {
			names = append(names, name)
		}
	}
	for _, m := range c.env.Macros() {
		if isWord(m.Function()) && !slices.Contains(names, m.Function()) {
			names = append(names, m.Function())
		}
	}
	slices.Sort(names)
	return names
}

func isWord(name string) bool {
	first := name[0]
	return first >= 'a' && first <= 'z' || first >= 'A' && first <= 'Z'
}

// signatures of a function, as people write calls.
func (c *compiler) signatures(name string) string {
	f, ok := c.env.Functions()[name]
	if !ok {
		return "something else"
	}
	var all []string
	for _, o := range f.OverloadDecls() {
		if text := signature(name, o); !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	if len(all) > 4 {
		all = append(all[:4], "…")
	}
	return strings.Join(all, ", ")
}

func signature(name string, o *decls.OverloadDecl) string {
	args := make([]string, 0, len(o.ArgTypes()))
	for _, t := range o.ArgTypes() {
		args = append(args, plain(cel.FormatCELType(t)))
	}
	if o.IsMemberFunction() {
		return args[0] + "." + name + "(" + strings.Join(args[1:], ", ") + ")"
	}
	return name + "(" + strings.Join(args, ", ") + ")"
}

// plain names of types, as the reference has them.
func plain(text string) string {
	for _, r := range []struct{ from, to string }{
		{"google.protobuf.Timestamp", "timestamp"}, {"google.protobuf.Duration", "duration"}, {"optional_type", "optional"},
		{"kubernetes.", ""}, {"net.", ""}, {"list(A)", "list"}, {"map(A, B)", "map"},
	} {
		text = strings.ReplaceAll(text, r.from, r.to)
	}
	return text
}

func listed(names []string) string { return strings.Join(names, ", ") }

// orElse ends a message: with the name that was probably meant, or with what there is.
func orElse(name string, known []string, otherwise string) string {
	if meant := nearest(name, known); meant != "" {
		return ": did you mean " + meant + "?"
	}
	return ": " + otherwise
}

// Meant ends a message about a name that there is not: with the one that was probably meant, or with
// those that there are.
func Meant(name string, known []string) string {
	return orElse(name, known, "there are "+listed(known))
}

// nearest of the known names; empty where none is near.
func nearest(name string, known []string) string {
	best, least := "", max(1, len(name)/3)+1
	for _, k := range known {
		if strings.EqualFold(k, name) {
			return k
		}
		if d := distance(name, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance of two names: letters to add, leave out, change, or swap with the next.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	var before, above []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, above, row = above, row, make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(row[j]+1, above[j+1]+1, above[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
