package operation_test

import (
	"fmt"

	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// datacenter NAME [onUnknown=Hold|Retry] [problem=REASON]: how the site is reached, or why it is not.
func verbDatacenter(b *bench, d *datadriven.TestData) string {
	b.site = operation.Site{Name: bare(d, 0), OnUnknown: v1alpha1.UnknownOutcome(word(d, "onUnknown", string(v1alpha1.UnknownOutcomeHold)))}
	if reason := word(d, "problem", ""); reason != "" {
		b.site.Problem = &v1alpha1.Hold{Source: "Datacenter/" + b.site.Name, Reason: reason, Message: "something is wrong with Datacenter " + b.site.Name}
		return fmt.Sprintf("%s: %s", b.site.Name, reason)
	}
	return fmt.Sprintf("%s: on unknown outcome %s", b.site.Name, b.site.OnUnknown)
}
