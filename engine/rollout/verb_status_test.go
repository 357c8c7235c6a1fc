package rollout_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/api/v1alpha1"
)

// status: what the group says of itself.
func verbStatus(w *world, _ *datadriven.TestData) string {
	st := &w.group.Status
	var out strings.Builder
	fmt.Fprintf(&out, "revision %s, made %d, released %d, failures %d, forgiven %d\n", st.Revision.Name, st.Revision.Made, st.Revision.Released, st.Revision.Failures, st.Revision.Forgiven)
	fmt.Fprintf(&out, "servers %d, updated %d, ready %d, unavailable %d, active %d, failed %d, drifted %d, skipped %d\n",
		st.Servers, st.Updated, st.Ready, st.Unavailable, st.Active, st.Failed, st.Drifted, st.Skipped)
	for i := range st.Waves {
		out.WriteString(describeWave(&st.Waves[i], st.Wave))
	}
	for _, slot := range st.InFlight {
		fmt.Fprintf(&out, "in flight %s, revision %d, made %v\n", slot.Operation, slot.Revision, slot.Made)
	}
	for _, left := range st.Left {
		fmt.Fprintf(&out, "left %s, %s: %s\n", left.Server, left.Reason, left.Message)
	}
	for i := range st.Holds {
		out.WriteString(describeHold(&st.Holds[i]))
	}
	for _, record := range st.History {
		fmt.Fprintf(&out, "history %s %s %s\n", record.Revision.Name, record.Result, record.Message)
	}
	for _, c := range st.Conditions {
		fmt.Fprintf(&out, "%s=%s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
	}
	return out.String()
}

func describeWave(wave *v1alpha1.WaveStatus, current string) string {
	mark := " "
	if wave.Name == current {
		mark = "*"
	}
	text := fmt.Sprintf("%s wave %s %s: %d of %d updated, %d active, %d failed, %d skipped", mark, wave.Name, wave.State, wave.Updated, wave.Servers, wave.Active, wave.Failed, wave.Skipped)
	if wave.SoakedUntil != nil {
		text += ", soaked at " + wave.SoakedUntil.UTC().Format(time.TimeOnly)
	}
	if wave.ApprovedAt != nil {
		text += ", approved by " + wave.ApprovedBy
	}
	return text + "\n"
}

func describeHold(hold *v1alpha1.Hold) string {
	text := fmt.Sprintf("held by %s", hold.Source)
	if hold.Rule != "" {
		text += " " + hold.Rule
	}
	text += fmt.Sprintf(", %s: %s", hold.Reason, hold.Message)
	if hold.Limit != "" {
		text += fmt.Sprintf(" [%s of %s]", hold.Observed, hold.Limit)
	}
	text += "; since " + hold.Since.UTC().Format(time.TimeOnly)
	if hold.Until != nil {
		text += ", until " + hold.Until.UTC().Format(time.TimeOnly)
	}
	if hold.ClearsWhen != "" {
		text += ", until " + hold.ClearsWhen
	}
	return text + "\n"
}
