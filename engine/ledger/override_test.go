package ledger_test

import (
	"testing"

	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/policies/rules"
)

// said is a policy that finds one and the same thing of every Operation.
type said struct {
	pretend
	finding rules.Finding
}

func (p *said) Evaluate(*rules.Facts, rules.Fleet) rules.Result {
	return rules.Result{Matched: true, Findings: []rules.Finding{p.finding}}
}

// TestWhatARuleMayDo: a rule holds or denies unless somebody overrides that very one, or it is only tried.
func TestWhatARuleMayDo(t *testing.T) {
	for _, effect := range []rules.Effect{rules.Hold, rules.Deny} {
		for _, c := range []struct {
			name      string
			overrides []string
			dryRun    bool
			admitted  bool
		}{
			{name: "enforced"},
			{name: "the rule is overridden", overrides: []string{"p/r"}, admitted: true},
			{name: "the policy is overridden", overrides: []string{"p"}, admitted: true},
			{name: "another is overridden", overrides: []string{"p/other", "q"}},
			{name: "tried", dryRun: true, admitted: true},
		} {
			l := fleetOf(t, 1, &said{pretend: pretend{name: "p"}, finding: rules.Finding{Policy: "p", Rule: "r", Effect: effect, DryRun: c.dryRun, Reason: rules.ReasonViolated}})
			ask := askOf(0)
			ask.Overrides = c.overrides
			if verdict := l.Request(ask, benchNow); verdict.Admitted != c.admitted || verdict.Denied != (!c.admitted && effect == rules.Deny) {
				t.Errorf("%s, %s: %+v", effect, c.name, verdict)
			}
		}
	}
}

// TestOldNewsOfAServer: what a watch tells late changes nothing of what is known already.
func TestOldNewsOfAServer(t *testing.T) {
	l := fleetOf(t, 2, compiled(t, "per-rack", perRack))
	failed, late := machineOf(0), machineOf(0)
	failed.Up, failed.Version, late.Version = false, 7, 6
	for _, seen := range []ledger.Machine{failed, late} {
		l.Observe(seen, benchNow)
	}
	if verdict := l.Request(askOf(1), benchNow); verdict.Admitted {
		t.Error("a server that has failed counts as ready again, as it was before")
	}
}
