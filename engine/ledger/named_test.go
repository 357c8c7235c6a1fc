package ledger_test

import (
	"testing"
	"time"

	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/policies/rules"
)

// TestNamedHoldStaysFirst: of two budgets that are full, an Operation goes on waiting for the one that its
// status names, whatever became of the other meanwhile, so that its status need not be written.
func TestNamedHoldStaysFirst(t *testing.T) {
	places := ledger.New()
	places.Rebuild(nil)
	active := rules.Dimension{Kind: rules.Active}
	first := &pretend{name: "first", kind: "most", effect: rules.Hold, limit: 1, asks: []rules.Dimension{active}}
	second := &pretend{name: "second", kind: "most", effect: rules.Hold, limit: 1, asks: []rules.Dimension{active}}
	places.SetPolicies([]ledger.Policy{first, second})
	now := time.Unix(1000, 0)
	if verdict := places.Request(ledger.Ask{UID: "1", Key: "a/1", Server: "a/1", Site: "a/dc", Facts: &rules.Facts{}}, now); !verdict.Admitted {
		t.Fatalf("nothing held it, and it was not admitted: %+v", verdict)
	}
	for named, want := range map[ledger.Named]string{
		{}: "Policy/first", {Source: "Policy/second", Rule: "most"}: "Policy/second", {Source: "Policy/gone", Rule: "most"}: "Policy/first",
	} {
		verdict := places.Request(ledger.Ask{UID: "2", Key: "a/2", Server: "a/2", Site: "a/dc", Facts: &rules.Facts{}, Named: named}, now)
		if len(verdict.Holds) != 2 || verdict.Holds[0].Source != want {
			t.Errorf("it named %v, and is held by %+v, not by %s first", named, verdict.Holds, want)
		}
	}
}
