package operation_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// decide [in=DURATION] [steps=N]: one pass of the controller, a line for each effect; in, once that
// time has gone by; steps, and it dies after the N-th; stopping, while the process ends.
func verbDecide(b *bench, d *datadriven.TestData) string {
	var out strings.Builder
	if b.gone {
		return "the operation is gone"
	}
	steps := number(d, "steps")
	b.now = b.now.Add(duration(word(d, "in", "0s")))
	s := b.snapshot()
	s.Stopping = d.HasArg("stopping")
	for n := 1; n <= maxEffects; n++ {
		effect := operation.Decide(s)
		fmt.Fprintln(&out, describe(b, effect))
		if _, ok := effect.(operation.Wait); ok {
			b.reply, b.hookReply = nil, nil
			return out.String()
		}
		if done := b.carryOut(&s, effect); done {
			b.reply, b.hookReply = nil, nil
			return out.String()
		}
		if n == steps {
			return out.String() + verbCrash(b, d)
		}
	}
	return out.String() + "NO END"
}

// describe says in one line what an effect is.
func describe(b *bench, effect operation.Effect) string {
	switch effect := effect.(type) {
	case operation.AddFinalizer:
		return "add finalizer"
	case operation.RemoveFinalizer:
		return "remove finalizer"
	case operation.Delete:
		return "delete: its time to live is over"
	case operation.AskGate:
		return "ask gate: " + describeVerdict(b.verdict)
	case operation.WriteServer:
		return describeWriteServer(b, effect.Status)
	case operation.WriteStatus:
		return describeWriteStatus(b, effect)
	case operation.Confirm:
		s := b.snapshot()
		if hold := b.confirm(&s).Hold; hold != nil {
			return "confirm: " + hold.Reason
		}
		if s.Rollout != nil && s.Rollout.Reason != "" {
			return "confirm: " + s.Rollout.Reason
		}
		return "confirm: nothing speaks against it"
	case operation.Call:
		return describeCall(effect)
	case operation.RunHook:
		return describeRun(effect)
	case operation.Wait:
		return describeWait(b, effect)
	}
	return fmt.Sprintf("unknown effect %T", effect)
}

func describeVerdict(verdict operation.Verdict) string {
	switch {
	case verdict.Denied:
		return "denied"
	case verdict.Admitted:
		return "admitted"
	}
	return "held, " + verdict.Holds[0].Reason
}

func describeWriteServer(b *bench, status v1alpha1.ServerStatus) string {
	next := b.server.DeepCopy()
	next.Status = status
	verb := "give the claim back"
	if last := status.LastOperation; status.ActiveOperation != nil {
		verb = "claim"
		if b.server.Status.ActiveOperation != nil {
			verb = "take the claim over"
		}
	} else if last != nil && last.UID == string(b.op.UID) {
		verb = fmt.Sprintf("record %s (%s)", last.Phase, last.Reason)
	}
	return verb + ": " + describeServer(next)
}

func describeWriteStatus(b *bench, write operation.WriteStatus) string {
	status := &write.Status
	text := fmt.Sprintf("write %s: %s", status.Phase, status.Message)
	switch {
	case write.Intent:
		return "write intent " + status.LastAttempt().RequestID
	case status.Phase.Terminal() && !b.op.Status.Phase.Terminal():
		text = fmt.Sprintf("end %s: %s", status.Phase, status.Message)
	case len(status.Holds) > 0:
		text = fmt.Sprintf("hold %s: %s", status.Holds[0].Reason, status.Holds[0].Message)
	}
	return text
}

func describeCall(call operation.Call) string {
	text := fmt.Sprintf("call %s %s", call.Kind, call.Job.RequestID)
	if call.Kind == operation.CallStart {
		text += fmt.Sprintf(": %s %s", call.Request.Action, call.Request.Server.Name)
		if call.Request.Image != nil {
			text += " with " + call.Request.Image.OSVersion
		}
		if call.Request.OnlyIfNeeded {
			text += ", only if needed"
		}
	}
	if call.Job.JobID != "" {
		text += " " + call.Job.JobID
	}
	return text
}

func describeWait(b *bench, wait operation.Wait) string {
	text := "wait for a change"
	switch {
	case b.calling != nil:
		text = "wait for the answer"
	case b.running != nil:
		text = "wait for the hook"
	case !wait.Until.IsZero():
		text = "wait " + wait.Until.Sub(b.now).Round(time.Millisecond).String()
	}
	if wait.FreeSlot {
		text += ", slot given back"
	}
	return text
}
