package ledger_test

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/policies/rules"
)

// pretend is a policy of one rule, written in Go so that thousands of histories take seconds. It keeps
// what the contract says of a compiled one: what it asked, and what single change would release it.
type pretend struct {
	name string
	kind string
	// asks are the dimensions of its questions, and limit what the sum of the answers must stay below,
	// or reach.
	asks   []rules.Dimension
	within time.Duration
	limit  int64
	effect rules.Effect
}

func (p *pretend) Name() string                  { return p.name }
func (p *pretend) Hash() string                  { return fmt.Sprint(*p) }
func (p *pretend) Dimensions() []rules.Dimension { return p.asks }
func (p *pretend) DryRun() bool                  { return false }

// Foresee implements ledger.Policy: what releases a finding is in it from the start.
func (p *pretend) Foresee(_ *rules.Facts, _ rules.Fleet, f rules.Finding) rules.Finding { return f }

// Evaluate implements ledger.Policy.
func (p *pretend) Evaluate(facts *rules.Facts, fleet rules.Fleet) rules.Result {
	f := rules.Finding{Policy: p.name, Rule: p.kind, Effect: p.effect, Reason: rules.ReasonViolated, Message: p.name}
	if p.kind == "window" {
		// Open in the first minutes of each ten.
		if into := facts.Now.Unix() / 60 % 10; into >= p.limit {
			f.Releases = []rules.Release{{At: facts.Now.Truncate(time.Minute).Add(time.Duration(10-into) * time.Minute)}}
			return rules.Result{Matched: true, Findings: []rules.Finding{f}}
		}
		return rules.Result{Matched: true}
	}
	sum := int64(0)
	for _, dimension := range p.asks {
		q := rules.Question{Dimension: dimension, Within: p.within}
		q.Values = ledger.ValuesOf(dimension, &ledger.Machine{Key: ledger.Key(facts.Server.Namespace + "/" + facts.Server.Name),
			Labels: facts.Server.Labels, Datacenter: facts.Datacenter.Name, Group: facts.Group.Name}, facts.Operation.Action)
		answer := fleet.Answer(q)
		f.Asked = append(f.Asked, rules.Asked{Question: q, Answer: answer})
		sum += answer.Count
	}
	switch {
	case p.kind == "least" && sum >= p.limit, p.kind == "unlike" && sum != p.limit,
		p.kind != "least" && p.kind != "unlike" && sum < p.limit:
		return rules.Result{Matched: true}
	}
	for _, asked := range f.Asked {
		release := rules.Release{Question: &asked.Question, Count: asked.Answer.Count + p.limit - sum}
		if p.kind != "least" {
			release.Count--
		}
		if release.Count >= 0 {
			f.Releases = append(f.Releases, release)
		}
	}
	return rules.Result{Matched: true, Findings: []rules.Finding{f}}
}

var dimensions = []rules.Dimension{
	{Kind: rules.Active}, {Kind: rules.Active, Keys: "rack"}, {Kind: rules.Active, Keys: "group,operation"},
	{Kind: rules.Unavailable}, {Kind: rules.Unavailable, Keys: "rack"}, {Kind: rules.Unavailable, Keys: "datacenter,rack"},
	{Kind: rules.Total, Keys: "rack"},
}

// anyPolicies draws up to three. Those with failures are asked again by the clock only, of which each
// Operation has its own, so that their order is not told.
func anyPolicies(t *rapid.T, failures bool) []ledger.Policy {
	var all []ledger.Policy
	for i := range rapid.IntRange(0, 3).Draw(t, "policies") {
		kinds := []string{"most", "most", "most", "sum", "least", "unlike", "window", "deny"}
		if failures {
			kinds = append(kinds, "failed", "failed")
		}
		p := &pretend{name: fmt.Sprintf("policy-%d", i), effect: rules.Hold, limit: rapid.Int64Range(1, 3).Draw(t, "limit")}
		p.kind = rapid.SampledFrom(kinds).Draw(t, "kind")
		dimension := func() rules.Dimension { return rapid.SampledFrom(dimensions).Draw(t, "dimension") }
		switch p.kind {
		case "most", "least", "unlike":
			p.asks = []rules.Dimension{dimension()}
		case "sum":
			p.asks = rapid.SliceOfNDistinct(rapid.SampledFrom(dimensions), 2, 2, rapid.ID[rules.Dimension]).Draw(t, "dimensions")
		case "deny":
			p.kind, p.effect, p.asks = "most", rules.Deny, []rules.Dimension{{Kind: rules.Unavailable, Keys: "rack"}}
		case "failed":
			p.asks, p.within = []rules.Dimension{{Kind: rules.Failed, Keys: "rack"}}, 7*time.Minute
		}
		all = append(all, p)
	}
	return all
}
