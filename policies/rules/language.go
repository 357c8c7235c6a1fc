package rules

import (
	"slices"
	"strings"
)

// Function of the language, for its reference.
type Function struct {
	Name string
	// Signatures as people write calls.
	Signatures []string
	// Example and what it is, of the functions that are ours.
	Example, About string
}

// Fields of a part of the Facts, by name, each with its type: part "server" has "labels" of type
// map(string, string).
func Fields(part string) map[string]string {
	fields := map[string]string{}
	if p, ok := schema[part]; ok {
		for name, f := range p.fields {
			fields[name] = plain(f.Type.String())
		}
	}
	return fields
}

// questionsAbout tells what each kind of question counts.
var questionsAbout = map[Kind]string{
	Active:      "Operations that have a place, from their admission to their end",
	Unavailable: "servers that are not ready, whatever made them so, and those that an admitted disruptive Operation is at work on or about to touch; one that was never touched serves nobody and is not counted",
	Total:       "servers",
	Failed:      "Operations that failed within a time before now",
}

// Questions to the fleet.
func Questions() []Function {
	var all []Function
	for _, kind := range []Kind{Active, Unavailable, Total, Failed} {
		f := Function{Name: "fleet." + string(kind), About: questionsAbout[kind], Example: `fleet.` + string(kind) + `({"rack": server.labels.rack}) < 2`}
		f.Signatures = []string{f.Name + "({KEY: string, …}) → int"}
		if kind == Failed {
			f.Signatures = []string{f.Name + "(duration, {KEY: string, …}) → int"}
			f.Example = `fleet.failed(duration("1h"), {"group": group.name}) < 3`
		}
		all = append(all, f)
	}
	return all
}

// Clock has the methods of now.
func Clock() []Function {
	var all []Function
	for _, m := range methods {
		f := Function{Name: "now." + m.name, Example: m.example, About: m.about}
		for _, o := range shared().env.Functions()[m.internal()].OverloadDecls() {
			args := make([]string, 0, m.most)
			for _, t := range o.ArgTypes()[1:] {
				args = append(args, plain(t.String()))
			}
			f.Signatures = append(f.Signatures, f.Name+"("+strings.Join(args, ", ")+") → bool")
		}
		slices.Sort(f.Signatures)
		all = append(all, f)
	}
	return all
}

// Functions that come with CEL and with Kubernetes, by name.
func Functions() []Function {
	functions := shared().env.Functions()
	var all []Function
	for name, decl := range functions {
		if !isWord(name) {
			continue
		}
		f := Function{Name: name}
		for _, o := range decl.OverloadDecls() {
			if text := signature(name, o) + " → " + plain(o.ResultType().String()); !slices.Contains(f.Signatures, text) {
				f.Signatures = append(f.Signatures, text)
			}
		}
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	return all
}
