package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/labels"
)

// Policy is a compiled source. It does not change and is shared by all goroutines.
type Policy struct {
	source     Source
	hash       string
	conditions []*expression
	variables  []*expression
	rules      []*rule
	dimensions []Dimension
	problems   []Problem
	warnings   []Problem
	// language that it is written in, with its variables.
	language *cel.Env
}

// A rule that compiled.
type rule struct {
	Rule
	violated *expression
	// message of its messageExpression; nil where it has none.
	message *expression
}

// Name of the policy.
func (p *Policy) Name() string { return p.source.Name }

// Hash over what the policy decides by: what it matches, its expressions and effects, and not what it
// says.
func (p *Policy) Hash() string { return p.hash }

// DryRun tells that its effects are only told.
func (p *Policy) DryRun() bool { return p.source.DryRun }

// Problems for which it holds whatever it matches; none of one that compiles.
func (p *Policy) Problems() []Problem { return slices.Clone(p.problems) }

// Rules of it, by name, those too that do not compile.
func (p *Policy) Rules() []string {
	names := make([]string, 0, len(p.source.Rules))
	for _, r := range p.source.Rules {
		names = append(names, r.Name)
	}
	return names
}

// Warnings are what works, and yet not as well as it could.
func (p *Policy) Warnings() []Problem { return slices.Clone(p.warnings) }

// Dimensions that its fleet questions ask for, each once.
func (p *Policy) Dimensions() []Dimension { return slices.Clone(p.dimensions) }

// Match tells whether the policy's match means an Operation. Its match conditions, which may ask the
// fleet and the clock, are not asked here but by Evaluate.
func (p *Policy) Match(f *Facts) bool {
	m := &p.source.Match
	switch {
	case !among(m.Operations, f.Operation.Action), !among(m.Namespaces, f.Operation.Namespace),
		!among(m.Datacenters, f.Datacenter.Name), !among(m.Profiles, f.Profile.Name):
		return false
	case len(m.Groups) > 0 && (f.Operation.AdHoc || !among(m.Groups, f.Group.Name)):
		return false // An Operation made by hand is of no group's rollout.
	}
	return m.Servers == nil || m.Servers.Matches(labels.Set(f.Server.Labels))
}

// among a list, of which an empty one does not narrow.
func among(list []string, name string) bool {
	return len(list) == 0 || slices.Contains(list, name)
}

// hashOf what a source decides by.
func hashOf(s Source) string {
	type decisive struct {
		Name, Expression string
		Effect           Effect
	}
	rules := make([]decisive, 0, len(s.Rules))
	for _, r := range s.Rules {
		rules = append(rules, decisive{r.Name, r.Expression, r.Effect})
	}
	servers := ""
	if s.Match.Servers != nil {
		servers = s.Match.Servers.String()
	}
	match := s.Match
	match.Servers = nil
	text, err := json.Marshal([]any{s.Name, match, servers, s.MatchConditions, s.Variables, rules, s.DryRun})
	if err != nil {
		panic("writing down a policy: " + err.Error()) // Strings and lists of them: it cannot fail.
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}
