package operation_test

import (
	"fmt"

	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// gate admits | busy | full | denies: what the gate will answer from now on.
func verbGate(b *bench, d *datadriven.TestData) string {
	switch bare(d, 0) {
	case "admits":
		b.verdict = operation.Verdict{Admitted: true}
	case "busy":
		b.verdict = operation.Verdict{Holds: []v1alpha1.Hold{{Source: "Server/server-001", Rule: "one-operation-per-server",
			Reason: v1alpha1.ReasonServerBusy, Message: "Operation repave-other is at work on server server-001"}}}
	case "full":
		b.verdict = operation.Verdict{Holds: []v1alpha1.Hold{{Source: "Datacenter/dc-west", Rule: "concurrent-operations",
			Reason: v1alpha1.ReasonLimitReached, Message: "2 of 2 Operations that Datacenter dc-west allows at once are under way"}}}
	case "denies":
		b.verdict = operation.Verdict{Denied: true, Holds: []v1alpha1.Hold{{Source: "Policy/no-repaves", Rule: "never",
			Reason: v1alpha1.ReasonDenied, Message: "no repaves of control-plane nodes"}}}
	default:
		return "no such verdict"
	}
	return fmt.Sprintf("gate: admitted %v, denied %v, %d holds", b.verdict.Admitted, b.verdict.Denied, len(b.verdict.Holds))
}
