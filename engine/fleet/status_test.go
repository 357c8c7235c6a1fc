package fleet_test

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/datadriven"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/fleet"
)

func equal(a, b *v1alpha1.Fleet) bool { return equality.Semantic.DeepEqual(a, b) }

// status: what kubectl would show.
func verbStatus(b *bench, _ *datadriven.TestData) string {
	var out strings.Builder
	s := &b.fleet.Status
	var conditions []string
	for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if condition := meta.FindStatusCondition(s.Conditions, kind); condition != nil {
			conditions = append(conditions, fmt.Sprintf("%s=%s", kind, condition.Status))
		}
	}
	fmt.Fprintln(&out, strings.Join(conditions, " "))
	if ready := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionReady); ready != nil {
		fmt.Fprintf(&out, "%s: %s\n", ready.Reason, ready.Message)
	}
	fmt.Fprintf(&out, "observed %d of %d, attempted %s, applied %s, %d applies, %d failures\n", s.ObservedGeneration, b.fleet.Generation,
		fleet.Short(s.LastAttemptedRevision), fleet.Short(s.LastAppliedRevision), s.Applies, s.Failures)
	if s.LastHandledRequestedAt != "" {
		fmt.Fprintf(&out, "handled %s\n", s.LastHandledRequestedAt)
	}
	for _, hold := range s.Holds {
		fmt.Fprintf(&out, "hold %s %s since %s, %s of %s; clears when %s\n", hold.Source, hold.Reason, hold.Since.UTC().Format("15:04:05"), hold.Observed, hold.Limit, hold.ClearsWhen)
	}
	for _, problem := range s.Errors {
		fmt.Fprintf(&out, "error %s:%d %s\n", problem.Path, problem.Line, problem.Message)
	}
	for _, line := range s.History {
		fmt.Fprintf(&out, "history %s %s +%d ~%d -%d %s%s\n", fleet.Short(line.Revision), line.Result, line.Created, line.Changed, line.Pruned,
			line.Message, approved(line.ApprovedBy))
	}
	return out.String()
}

func approved(by string) string {
	if by == "" {
		return ""
	}
	return " (approved by " + by + ")"
}
