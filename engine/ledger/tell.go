package ledger

import (
	"time"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/policies/rules"
)

// Told is all that the ledger and the policies say of an Operation, what lets it pass too, for somebody
// who wants to know why.
type Told struct {
	// Busy is the hold of a server that somebody else is at work on; nil where it is free.
	Busy *v1alpha1.Hold
	// Full is the hold of a site that has no place; nil where there is one. Active Operations are there,
	// of a Limit; zero for none.
	Full          *v1alpha1.Hold
	Active, Limit int
	// Policies that are about it, in the order in which they are asked.
	Policies []PolicyTold
}

// PolicyTold is what one policy says.
type PolicyTold struct {
	// Explanation of it: every rule, those that are kept too, with what each part came to.
	rules.Explanation
	// Violated rules, and those that cannot be asked, in their order.
	Violated []RuleTold
}

// RuleTold is a rule that does not let an Operation pass.
type RuleTold struct {
	Finding rules.Finding
	// Hold that it would write down.
	Hold v1alpha1.Hold
	// Overridden by somebody who may.
	Overridden bool
}

// explainer tells what each part of a policy came to; a *rules.Policy is one.
type explainer interface {
	Explain(*rules.Facts, rules.Fleet) rules.Explanation
}

// Tell judges an Operation as Request does, by the same rules and the same counts, and changes nothing.
func (l *Ledger) Tell(ask Ask, now time.Time) Told {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, known := l.entries[ask.UID], true
	if e == nil {
		e, known = l.admit(ask), false
	}
	if !known {
		defer l.drop(e)
	}
	site := l.room(ask.Site)
	told := Told{Active: site.active, Limit: ask.Limit}
	if !e.reserved && e.machine.active > 0 {
		hold := busyHold(e)
		told.Busy = &hold
	}
	if limit := (room{active: site.active, limit: ask.Limit}); !e.reserved && limit.isFull() {
		hold := fullHold(e, &limit)
		told.Full = &hold
	}
	if ask.Facts == nil {
		return told
	}
	facts := *ask.Facts
	facts.Now = now
	fleet := &view{ledger: l, entry: e, now: now}
	for _, policy := range l.policies {
		if x := explanationOf(policy, &facts, fleet); x.Matched {
			told.Policies = append(told.Policies, tellPolicy(e, x, ask.Overrides))
		}
	}
	return told
}

// explanationOf what a policy says; of one that cannot explain itself, only what it finds.
func explanationOf(policy Policy, facts *rules.Facts, fleet rules.Fleet) rules.Explanation {
	if able, ok := policy.(explainer); ok {
		return able.Explain(facts, fleet)
	}
	result := policy.Evaluate(facts, fleet)
	x := rules.Explanation{Policy: policy.Name(), Matched: result.Matched}
	for _, f := range result.Findings {
		f = policy.Foresee(facts, fleet, f)
		x.Rules = append(x.Rules, rules.ExplainedRule{Explained: rules.Explained{Name: f.Rule}, Effect: f.Effect, Finding: &f})
	}
	return x
}

func tellPolicy(e *entry, x rules.Explanation, overrides []string) PolicyTold {
	told := PolicyTold{Explanation: x}
	asked := *e
	asked.Overrides = overrides
	for i := range x.Rules {
		f := x.Rules[i].Finding
		if f == nil {
			continue
		}
		blocks := f.Effect == rules.Hold || f.Effect == rules.Deny
		told.Violated = append(told.Violated, RuleTold{Finding: *f, Hold: holdOf(f), Overridden: blocks && overridden(&asked, f)})
	}
	return told
}
