package operation_test

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/datadriven"
	"k8s.io/apimachinery/pkg/api/meta"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// status: what kubectl would show of the Operation and its Server.
func verbStatus(b *bench, _ *datadriven.TestData) string {
	if b.gone {
		return "the operation is gone\n" + describeServer(b.server)
	}
	var out strings.Builder
	status := &b.op.Status
	fmt.Fprintf(&out, "%s (%s): %s\n", orNothing(string(status.Phase), "new"), operation.StageOf(status), status.Message)
	for i := range status.Attempts {
		fmt.Fprintln(&out, "  "+describeAttempt(&status.Attempts[i]))
	}
	for i := range status.Hooks {
		fmt.Fprintln(&out, "  "+describeHook(&status.Hooks[i]))
	}
	if end := status.JobEnd; end != nil {
		fmt.Fprintf(&out, "  the job ended %s (%s), machine %s: %s\n", end.Phase, end.Reason, end.Machine, end.Message)
	}
	for i := range status.Holds {
		fmt.Fprintf(&out, "  held by %s, %s, since %s\n", status.Holds[i].Source, status.Holds[i].Reason, status.Holds[i].Since.UTC().Format("15:04:05"))
	}
	if decided := status.DecidedOn; decided != nil && decided.Commit != "" {
		fmt.Fprintf(&out, "  on commit %s of %s, signed by %s\n", decided.Commit, decided.Author, decided.SignedBy)
	}
	fmt.Fprintln(&out, "  "+describeConditions(status))
	fmt.Fprintln(&out, "  "+describeServer(b.server))
	return out.String()
}

func describeAttempt(attempt *v1alpha1.Attempt) string {
	text := "attempt " + attempt.RequestID
	if attempt.JobID != "" {
		text += ", " + attempt.JobID
	}
	if attempt.StopReason != "" {
		text += ", to be stopped: " + attempt.StopReason
	}
	if attempt.Outcome != "" {
		text += ", " + string(attempt.Outcome)
	}
	if attempt.Error != "" {
		text += ": " + attempt.Error
	}
	return text
}

func describeConditions(status *v1alpha1.OperationStatus) string {
	var parts []string
	for _, kind := range []string{v1alpha1.ConditionAdmitted, v1alpha1.ConditionPreHooksDone, v1alpha1.ConditionDispatched, v1alpha1.ConditionHeld,
		v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled, v1alpha1.ConditionReady} {
		if condition := meta.FindStatusCondition(status.Conditions, kind); condition != nil {
			parts = append(parts, fmt.Sprintf("%s=%s", kind, condition.Status))
		}
	}
	return strings.Join(parts, " ")
}
