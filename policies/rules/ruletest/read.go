package ruletest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"stargate.io/stargate/policies/rules"
)

// A reader of one table, which notes what is wrong with it.
type reader struct {
	file     string
	problems []rules.Problem
}

func (r *reader) wrong(at *yaml.Node, format string, arguments ...any) {
	r.problems = append(r.problems, rules.Problem{Path: r.file, Line: at.Line, Column: at.Column, Message: fmt.Sprintf(format, arguments...)})
}

// Read a table. Its problems have the line and column in the file.
func Read(file string, text []byte) (Table, []rules.Problem) {
	r := &reader{file: file}
	table := Table{File: file}
	var document yaml.Node
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	if err := decoder.Decode(&document); err != nil {
		message := "there is nothing in it: write policies and cases"
		if !errors.Is(err, io.EOF) {
			message = strings.TrimPrefix(err.Error(), "yaml: ")
		}
		return table, []rules.Problem{{Path: file, Message: message}}
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		r.wrong(&document, "there is a second document: write a file for each table")
	}
	r.fields(document.Content[0], map[string]func(*yaml.Node){
		"policies": func(n *yaml.Node) { table.Policies = r.strings(n) },
		"cases": func(n *yaml.Node) {
			for _, item := range r.items(n) {
				table.Cases = append(table.Cases, r.oneCase(item))
			}
		},
	})
	if len(table.Policies) == 0 {
		r.wrong(&document, "it names no policies: write policies: [FILE, …], beside this file")
	}
	if len(table.Cases) == 0 {
		r.wrong(&document, "there are no cases")
	}
	r.names(table.Cases)
	return table, r.problems
}

func (r *reader) names(cases []Case) {
	seen := map[string]bool{}
	for _, c := range cases {
		at := &yaml.Node{Line: c.Line, Column: 1}
		switch {
		case c.Name == "":
			r.wrong(at, "a case has no name")
		case seen[c.Name]:
			r.wrong(at, "there are two cases %q: rename one", c.Name)
		}
		seen[c.Name] = true
		if len(c.Wants) == 0 {
			r.wrong(at, "the case %q wants nothing: write want: {RULE: held}", c.Name)
		}
	}
}

func (r *reader) oneCase(n *yaml.Node) Case {
	c := Case{Line: n.Line, Facts: Defaults()}
	r.fields(n, map[string]func(*yaml.Node){
		"name":  func(n *yaml.Node) { c.Name = r.text(n) },
		"now":   func(n *yaml.Node) { c.Facts.Now = r.time(n) },
		"facts": func(n *yaml.Node) { r.facts(n, &c.Facts) },
		"fleet": func(n *yaml.Node) {
			for _, item := range r.items(n) {
				c.Fleet = append(c.Fleet, r.given(item))
			}
		},
		"want": func(n *yaml.Node) {
			r.entries(n, func(key, value *yaml.Node) { c.Wants = append(c.Wants, r.want(key, value)) })
		},
	})
	return c
}

// want of a rule or policy: an outcome, or a mapping that says more.
func (r *reader) want(key, n *yaml.Node) Want {
	w := Want{Of: key.Value, Line: key.Line}
	outcome := func(n *yaml.Node) {
		if w.Is = Outcome(r.text(n)); !slices.Contains(outcomes, string(w.Is)) {
			r.wrong(n, "%q is no outcome: write one of %s", w.Is, strings.Join(outcomes, ", "))
		}
	}
	if n.Kind == yaml.ScalarNode {
		outcome(n)
		return w
	}
	r.fields(n, map[string]func(*yaml.Node){
		"is":      outcome,
		"until":   func(n *yaml.Node) { w.Until = r.time(n) },
		"message": func(n *yaml.Node) { w.Message = r.text(n) },
		"reason":  func(n *yaml.Node) { w.Reason = r.text(n) },
	})
	if w.Is == "" {
		r.wrong(n, "%s is wanted to be what? write is: held", w.Of)
	}
	return w
}

// given answer of the fleet: {unavailable: {rack: r1}, count: 2}.
func (r *reader) given(n *yaml.Node) Given {
	g := Given{AnyTime: true}
	counted := false
	kind := func(kind rules.Kind) func(*yaml.Node) {
		return func(n *yaml.Node) {
			if g.Question.Kind != "" {
				r.wrong(n, "an answer is to one question: write another entry")
			}
			g.Question.Kind = kind
			g.Question.Keys, g.Question.Values = r.keys(n)
		}
	}
	r.fields(n, map[string]func(*yaml.Node){
		"active": kind(rules.Active), "unavailable": kind(rules.Unavailable), "total": kind(rules.Total), "failed": kind(rules.Failed),
		"count": func(n *yaml.Node) {
			counted = true
			if err := n.Decode(&g.Answer.Count); err != nil || g.Answer.Count < 0 {
				r.wrong(n, "%q is no count", n.Value)
			}
		},
		"within":  func(n *yaml.Node) { g.Question.Within, g.AnyTime = r.duration(n), false },
		"changes": func(n *yaml.Node) { g.Answer.Changes = r.time(n) },
		"unknown": func(n *yaml.Node) { g.Answer.Unknown, counted = r.boolean(n), true },
	})
	switch {
	case g.Question.Kind == "":
		r.wrong(n, "an answer to which question? write for example {unavailable: {rack: r1}, count: 2}")
	case !counted:
		r.wrong(n, "an answer has a count")
	}
	return g
}

// keys and values of a question, sorted by key.
func (r *reader) keys(n *yaml.Node) (string, string) {
	values := map[string]string{}
	var keys []string
	r.entries(n, func(key, value *yaml.Node) {
		keys = append(keys, key.Value)
		values[key.Value] = r.text(value)
	})
	slices.Sort(keys)
	sorted := make([]string, len(keys))
	for i, key := range keys {
		sorted[i] = values[key]
	}
	return strings.Join(keys, ","), strings.Join(sorted, "\x00")
}

func (r *reader) time(n *yaml.Node) time.Time {
	t, err := time.Parse(time.RFC3339, r.text(n))
	if err != nil {
		r.wrong(n, "%q is no time: write for example 2026-03-07T12:00:00Z", n.Value)
	}
	return t
}

func (r *reader) duration(n *yaml.Node) time.Duration {
	d, err := time.ParseDuration(r.text(n))
	if err != nil {
		r.wrong(n, "%q is no duration: write for example 90s, 5m or 1h30m", n.Value)
	}
	return d
}

func (r *reader) boolean(n *yaml.Node) bool {
	var b bool
	if err := n.Decode(&b); err != nil {
		r.wrong(n, "%q is neither true nor false", n.Value)
	}
	return b
}

func (r *reader) text(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		r.wrong(n, "here is a text expected")
	}
	return n.Value
}

func (r *reader) strings(n *yaml.Node) []string {
	var all []string
	for _, item := range r.items(n) {
		all = append(all, r.text(item))
	}
	return all
}

func (r *reader) items(n *yaml.Node) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		r.wrong(n, "here is a list expected")
		return nil
	}
	return n.Content
}

func (r *reader) entries(n *yaml.Node, visit func(key, value *yaml.Node)) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		r.wrong(n, "here is a mapping expected")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if seen[key.Value] {
			r.wrong(key, "%s is given twice", key.Value)
			continue
		}
		seen[key.Value] = true
		visit(key, n.Content[i+1])
	}
}

// fields of a mapping, of which there are no others.
func (r *reader) fields(n *yaml.Node, known map[string]func(*yaml.Node)) {
	r.entries(n, func(key, value *yaml.Node) {
		read, ok := known[key.Value]
		if !ok {
			names := make([]string, 0, len(known))
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			r.wrong(key, "there is no field %s%s", key.Value, rules.Meant(key.Value, names))
			return
		}
		read(value)
	})
}
