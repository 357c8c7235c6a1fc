package operation_test

import (
	"fmt"

	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/operation"
)

// reply start JOB|transient|rejected|unknown [reason=]: the site answers the call that is under way.
// reply find JOB|none|transient|unknown
// reply status pending|running|succeeded|failed|cancelled|notfound|… [percent=] [stage=] [message=]
// [untouched] [unchanged] [power=]
// reply cancel ok|notfound|rejected|transient|unknown
// With late, the answer comes although nobody waits for it any more.
func verbReply(b *bench, d *datadriven.TestData) string {
	kind, answer := map[string]operation.CallKind{"start": operation.CallStart, "find": operation.CallFind,
		"status": operation.CallStatus, "cancel": operation.CallCancel}[bare(d, 0)], bare(d, 1)
	attempt := b.op.Status.LastAttempt()
	if attempt == nil {
		return "nothing was ever sent"
	}
	reply := &operation.Reply{Kind: kind, RequestID: word(d, "attempt", attempt.RequestID), Err: failure(answer, word(d, "reason", ""))}
	switch {
	case d.HasArg("late"):
		b.reply = reply
	case b.calling == nil || b.calling.Kind != kind:
		return fmt.Sprintf("nobody waits for an answer to %s", kind)
	default:
		b.answer(reply)
	}
	if reply.Err != nil {
		return ""
	}
	switch kind {
	case operation.CallStart:
		reply.Job = drivers.JobRef{RequestID: reply.RequestID, JobID: answer}
	case operation.CallFind:
		if reply.Found = answer != "none"; reply.Found {
			reply.Job = drivers.JobRef{RequestID: reply.RequestID, JobID: answer}
		}
	case operation.CallStatus:
		reply.Status = jobStatus(d, drivers.Phase(answer))
	case operation.CallCancel:
	}
	return ""
}

func failure(answer, reason string) error {
	kind, ok := map[string]drivers.Kind{"transient": drivers.Transient, "rejected": drivers.Rejected,
		"unknown": drivers.Unknown, "notfound": drivers.NotFound}[answer]
	if !ok {
		return nil
	}
	said := map[drivers.Kind]string{drivers.Transient: "dc-west does not answer", drivers.Rejected: "dc-west refuses",
		drivers.Unknown: "the answer of dc-west was lost", drivers.NotFound: "dc-west does not know it"}[kind]
	return &drivers.Error{Kind: kind, Reason: reason, Message: said}
}

func jobStatus(d *datadriven.TestData, phase drivers.Phase) drivers.JobStatus {
	status := drivers.JobStatus{Phase: phase, Percent: int32(number(d, "percent")), Stage: word(d, "stage", ""),
		Message: word(d, "message", ""), Untouched: d.HasArg("untouched"), Unchanged: d.HasArg("unchanged")}
	if power := word(d, "power", ""); power != "" {
		status.Facts = &drivers.Facts{Power: power, Hardware: map[string]string{"cpus": "64"}}
	}
	return status
}
