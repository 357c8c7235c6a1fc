package authoring

import (
	"path"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/stargate/render"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/policies/hooks"
	"stargate.io/stargate/policies/rules"
)

// Check of policies and hooks, as programs read it.
type Check struct {
	render.Header
	OK       bool          `json:"ok"`
	Policies []PolicyCheck `json:"policies"`
	Hooks    []HookCheck   `json:"hooks"`
	Problems []Problem     `json:"problems"`
}

// PolicyCheck is a policy that compiles.
type PolicyCheck struct {
	Name   string   `json:"name"`
	File   string   `json:"file"`
	Line   int      `json:"line"`
	Hash   string   `json:"hash"`
	DryRun bool     `json:"dryRun,omitempty"`
	Rules  []string `json:"rules"`
	// Asks are the questions about the fleet, with what they are asked by.
	Asks []string `json:"asks"`
	// Cost that it may come to at most, in units; zero where that is not known.
	Cost uint64 `json:"cost,omitempty"`
	// ReadsRequester and ReadsSource: the rules that hold where admission does not vouch for it.
	ReadsRequester []string `json:"readsRequester,omitempty"`
	ReadsSource    []string `json:"readsSource,omitempty"`
	// Warnings of what works, and yet not as well as it could.
	Warnings []Problem `json:"warnings,omitempty"`
}

// HookCheck is a hook that compiles.
type HookCheck struct {
	Name  string   `json:"name"`
	File  string   `json:"file"`
	Line  int      `json:"line"`
	When  string   `json:"when"`
	Hash  string   `json:"hash"`
	Hosts []string `json:"hosts,omitempty"`
	Verbs []string `json:"verbs,omitempty"`
}

// Problem at a place in a file.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Object  string `json:"object,omitempty"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
	Mend    string `json:"mend,omitempty"`
}

// String as compilers write it.
func (p Problem) String() string {
	place := tree.Place{File: p.File, Line: p.Line, Column: p.Column}
	text := place.String() + ": "
	if p.Object != "" {
		text += p.Object + ": "
	}
	text += p.Message
	if p.Mend != "" {
		text += "; " + p.Mend
	}
	return text
}

// CheckFiles checks what is in files, which are told as being in a folder.
func (c *Check) CheckFiles(folder string, files []tree.File, schemas *tree.Schemas) {
	sources, problems := Read(files, schemas)
	for _, p := range problems {
		c.Problems = append(c.Problems, Problem{File: path.Join(folder, p.File), Line: p.Line, Column: p.Column, Object: p.Object, Field: p.Field,
			Message: p.Message, Mend: p.Mend})
	}
	for _, source := range sources {
		source.File = path.Join(folder, source.File)
		switch {
		case source.Policy != nil:
			c.Policies = append(c.Policies, checkPolicy(&source))
		case source.Hook != nil:
			c.Hooks = append(c.Hooks, checkHook(&source))
		}
	}
	c.OK = len(c.Problems) == 0
}

// NewCheck with nothing in it yet.
func NewCheck() *Check {
	return &Check{Header: render.HeaderOf("PolicyCheck"), OK: true, Policies: []PolicyCheck{}, Hooks: []HookCheck{}, Problems: []Problem{}}
}

func checkPolicy(source *Source) PolicyCheck {
	policy := Compile(source.Policy)
	out := PolicyCheck{Name: source.Policy.Name, File: source.File, Line: source.Line, Hash: policy.Hash(), DryRun: policy.DryRun(), Rules: []string{}, Asks: []string{}}
	for i := range source.Policy.Spec.Rules {
		out.Rules = append(out.Rules, source.Policy.Spec.Rules[i].Name)
	}
	for _, dimension := range policy.Dimensions() {
		out.Asks = append(out.Asks, string(dimension.Kind)+"{"+dimension.Keys+"}")
	}
	reads := policy.Reads()
	out.ReadsRequester, out.ReadsSource = reads.Requester, reads.Source
	for _, warning := range policy.Warnings() {
		out.Warnings = append(out.Warnings, Problem{File: source.File, Line: source.Line, Object: "Policy/" + out.Name, Field: warning.Path, Message: warning.Message})
	}
	return out
}

// Compile a policy that was checked.
func Compile(policy *v1alpha1.Policy) *rules.Policy {
	// What cannot be read of it was told when it was checked.
	source, _ := tree.PolicySource(policy)
	compiled, _ := rules.Compile(source)
	return compiled
}

func checkHook(source *Source) HookCheck {
	spec := &source.Hook.Spec
	out := HookCheck{Name: source.Hook.Name, File: source.File, Line: source.Line, When: string(spec.When), Hosts: spec.Allow.Hosts}
	for _, verb := range spec.Allow.Kubernetes {
		out.Verbs = append(out.Verbs, string(verb))
	}
	if script, _ := hooks.Compile(source.Hook.Name, spec.Script); script != nil {
		out.Hash = script.Hash
	}
	return out
}
