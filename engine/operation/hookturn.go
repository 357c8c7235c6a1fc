package operation

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

// decideHooks brings the hooks of one side on; nil where each of them has its end.
func decideHooks(s *Snapshot, when v1alpha1.HookWhen) Effect {
	i := turn(&s.Operation.Status, when)
	if i < 0 {
		return nil
	}
	if s.Stopping {
		return Wait{}
	}
	run := &s.Operation.Status.Hooks[i]
	hook := s.hook(run)
	switch {
	case hook == nil:
		return leaveOutDeleted(s, i)
	case run.Result == "":
		return writeTurn(s, s.Operation.Status.DeepCopy(), when, nil)
	}
	if until := lentUntil(s, run); until.After(s.Now) {
		return Wait{Until: until}
	}
	if hook.Problem != "" {
		return heldByInvalid(s, i, hook)
	}
	if due := nextRun(s, run, hook); due.After(s.Now) {
		return Wait{Until: due}
	}
	if run.By != s.Process || run.Hash != hook.Hash || overdue(s, run) {
		return takeTurnOver(s, i, hook)
	}
	return RunHook{
		Hook: *hook, Run: run.Runs + 1, Key: string(s.Operation.UID) + "/" + run.Name, State: run.State,
		Deadline: min(s.runDeadline(), max(hook.Timeout, time.Second)), Job: s.Operation.Status.JobEnd,
	}
}

// lentUntil is how long a hook is another process's, which may be at work on it; zero where it is not.
// A process that was elected is alone, so that what another had is its own at once.
func lentUntil(s *Snapshot, run *v1alpha1.HookRun) time.Time {
	if run.By == s.Process || s.Elected || run.NextRunAt == nil {
		return time.Time{}
	}
	until := run.NextRunAt.Add(2 * s.runDeadline())
	if until.Sub(s.Now) > maxHookWait+2*s.runDeadline() {
		return time.Time{} // the clock was set back since
	}
	return until
}

// overdue tells whether the process that has a hook is so late that another may take it for dead: it
// makes itself known before it runs anything.
func overdue(s *Snapshot, run *v1alpha1.HookRun) bool {
	if s.Elected || run.NextRunAt == nil {
		return false
	}
	return s.Now.Sub(run.NextRunAt.Time).Abs() > s.runDeadline()
}

// nextRun is when a hook is run again. Once its timeout is over it is asked for the last time.
func nextRun(s *Snapshot, run *v1alpha1.HookRun, hook *Hook) time.Time {
	if run.NextRunAt == nil || run.NextRunAt.Sub(s.Now) > maxHookWait {
		return time.Time{}
	}
	if deadline := hookDeadline(run, hook); deadline.Before(run.NextRunAt.Time) {
		return deadline
	}
	return run.NextRunAt.Time
}

// takeTurnOver makes a hook this process's own before it is run, and says where another script is run
// than the one that began.
func takeTurnOver(s *Snapshot, i int, hook *Hook) Effect {
	status := s.Operation.Status.DeepCopy()
	run, now := &status.Hooks[i], metav1.NewMicroTime(s.Now)
	var event *Event
	if run.Hash != hook.Hash {
		run.Hash = hook.Hash
		run.Message = "its script was edited since it began, and is run as it is now"
		event = &Event{Warning: true, Reason: v1alpha1.ReasonHookRunning, Message: fmt.Sprintf("Hook %s: %s", run.Name, run.Message)}
	}
	run.Result, run.Reason, run.By, run.NextRunAt = v1alpha1.HookRunning, "", s.Process, &now
	return writeTurn(s, status, run.When, event)
}

// leaveOutDeleted ends a hook whose Hook is gone: somebody did not want it any more.
func leaveOutDeleted(s *Snapshot, i int) Effect {
	status := s.Operation.Status.DeepCopy()
	run := &status.Hooks[i]
	endHook(s, run, v1alpha1.HookIgnored, v1alpha1.ReasonHookDeleted, "the Hook was deleted, or runs on the other side now; nothing more of it is run")
	return writeTurn(s, status, run.When, &Event{Warning: true, Reason: v1alpha1.ReasonHookDeleted, Message: fmt.Sprintf("Hook %s: %s", run.Name, run.Message)})
}

// heldByInvalid waits for a script that was broken in mid-flight to be corrected, for as long as the
// hook may take.
func heldByInvalid(s *Snapshot, i int, hook *Hook) Effect {
	deadline := hookDeadline(&s.Operation.Status.Hooks[i], hook)
	if !deadline.After(s.Now) {
		status := s.Operation.Status.DeepCopy()
		run := &status.Hooks[i]
		failHook(s, run, hook.OnError, v1alpha1.ReasonHookTimedOut, fmt.Sprintf("it was not done within %s: %s", hook.Timeout, hook.Problem))
		return writeTurn(s, status, run.When, endEvent(run))
	}
	hold := invalidHook(hook)
	if status := held(s, []v1alpha1.Hold{*hold}); status != nil {
		return WriteStatus{Status: *status, Event: &Event{Warning: true, Reason: hold.Reason, Message: hold.Message}}
	}
	return Wait{Until: deadline}
}

// repliedTo gives the place of the hook whose next run a reply is of; negative where it is of none.
func repliedTo(s *Snapshot, reply *HookReply) int {
	if reply == nil {
		return -1
	}
	return slices.IndexFunc(s.Operation.Status.Hooks, func(run v1alpha1.HookRun) bool {
		return run.Name == reply.Name && run.When == reply.When && !run.Finished() && run.Runs+1 == reply.Run && run.By == s.Process
	})
}

// foldHook writes down what a run gave; nil where there is nothing to be written.
func foldHook(s *Snapshot) Effect {
	reply := s.HookReply
	i := repliedTo(s, reply)
	if i < 0 {
		return nil
	}
	status := s.Operation.Status.DeepCopy()
	run := &status.Hooks[i]
	run.Runs++
	run.Actions = keepActions(run.Actions, reply.Actions)
	hook := s.hook(run)
	switch {
	case reply.Outcome == HookSaidDone:
		endHook(s, run, v1alpha1.HookDone, "", reply.Message)
	case hook == nil:
		endHook(s, run, v1alpha1.HookIgnored, v1alpha1.ReasonHookDeleted, "the Hook was deleted; its last run said: "+reply.Message)
	case reply.Outcome == HookSaidFail:
		failHook(s, run, hook.OnError, v1alpha1.ReasonHookFailed, reply.Message)
	case reply.Outcome == HookSaidWait && len(reply.State) <= maxHookState:
		foldWait(s, run, hook, reply)
	default:
		foldError(s, run, hook, reply)
	}
	return writeTurn(s, status, run.When, endEvent(run))
}

func foldWait(s *Snapshot, run *v1alpha1.HookRun, hook *Hook, reply *HookReply) {
	if !hookDeadline(run, hook).After(s.Now) {
		failHook(s, run, hook.OnError, v1alpha1.ReasonHookTimedOut, fmt.Sprintf("it was not done within %s: %s", hook.Timeout, reply.Message))
		return
	}
	run.Result, run.Reason, run.Message, run.State = v1alpha1.HookWaiting, v1alpha1.ReasonHookWaiting, bounded(reply.Message), reply.State
	again(s, run, hook, clamp(reply.After, time.Second, maxHookWait))
}

// foldError tries a run that came to no result again, as often as the Hook allows. What the script had
// kept at its last wait it finds again.
func foldError(s *Snapshot, run *v1alpha1.HookRun, hook *Hook, reply *HookReply) {
	run.Errors++
	message := reply.Message
	if len(reply.State) > maxHookState {
		message = fmt.Sprintf("its state has %d bytes, and at most %d are kept", len(reply.State), maxHookState)
	}
	switch {
	case run.Errors > hook.Retries:
		failHook(s, run, hook.OnError, v1alpha1.ReasonHookFailed, message)
	case !hookDeadline(run, hook).After(s.Now):
		failHook(s, run, hook.OnError, v1alpha1.ReasonHookTimedOut, fmt.Sprintf("it was not done within %s: %s", hook.Timeout, message))
	default:
		run.Result, run.Reason, run.Message = v1alpha1.HookWaiting, v1alpha1.ReasonHookRetrying, bounded(message)
		again(s, run, hook, RetryDelay(run.Errors))
	}
}

// again plans a hook's next run, the last one at the end of its timeout.
func again(s *Snapshot, run *v1alpha1.HookRun, hook *Hook, after time.Duration) {
	at := s.Now.Add(after)
	if deadline := hookDeadline(run, hook); deadline.Before(at) {
		at = deadline
	}
	next := metav1.NewMicroTime(at)
	run.NextRunAt = &next
}

func keepActions(before, more []string) []string {
	for _, action := range more {
		before = append(before, bounded(action))
	}
	return before[max(len(before)-maxHookActions, 0):]
}

// endEvent tells of a hook that has its end; nil of one that has not.
func endEvent(run *v1alpha1.HookRun) *Event {
	switch run.Result {
	case v1alpha1.HookRunning, v1alpha1.HookWaiting:
	case v1alpha1.HookDone:
		return &Event{Reason: v1alpha1.ReasonHookDone, Message: fmt.Sprintf("Hook %s: %s", run.Name, orDefault(run.Message, "done"))}
	case v1alpha1.HookIgnored:
		return &Event{Warning: true, Reason: v1alpha1.ReasonHookIgnored, Message: fmt.Sprintf("Hook %s failed (%s), and the Operation goes on: %s", run.Name, run.Reason, run.Message)}
	case v1alpha1.HookFailed:
		return &Event{Warning: true, Reason: run.Reason, Message: fmt.Sprintf("Hook %s failed: %s", run.Name, run.Message)}
	}
	return nil
}

// writeTurn writes what became of the hooks of one side, and gives the next its turn.
func writeTurn(s *Snapshot, status *v1alpha1.OperationStatus, when v1alpha1.HookWhen, event *Event) Effect {
	if failedHook(status, when) == nil && s.stopWanted() == "" && !s.Stopping {
		giveTurn(s, status, when)
	}
	if status.Phase == "" {
		status.Phase = v1alpha1.OperationPending
	}
	sayHooks(s, status, when)
	summarise(s, status)
	return WriteStatus{Status: *status, Event: event}
}

// sayHooks says in message, holds and conditions how far the hooks of one side are.
func sayHooks(s *Snapshot, status *v1alpha1.OperationStatus, when v1alpha1.HookWhen) {
	done, reason := metav1.ConditionFalse, v1alpha1.ReasonHookRunning
	i := turn(status, when)
	switch failed := failedHook(status, when); {
	case failed != nil:
		clearHolds(s, status)
		reason, status.Message = failed.Reason, bounded(fmt.Sprintf("hook %s failed: %s", failed.Name, failed.Message))
	case i < 0:
		clearHolds(s, status)
		done, reason, status.Message = metav1.ConditionTrue, v1alpha1.ReasonHooksDone, "the hooks have ended"
	case status.Hooks[i].Result == v1alpha1.HookWaiting:
		reason = status.Hooks[i].Reason
		setHolds(s, status, []v1alpha1.Hold{waitingHook(&status.Hooks[i])})
	case status.Hooks[i].Result == v1alpha1.HookRunning:
		clearHolds(s, status)
		status.Message = fmt.Sprintf("hook %s runs", status.Hooks[i].Name)
	default:
		clearHolds(s, status)
		reason, status.Message = v1alpha1.ReasonPending, fmt.Sprintf("hook %s is next", status.Hooks[i].Name)
	}
	if when == v1alpha1.HookBefore {
		setCondition(s, status, v1alpha1.ConditionAdmitted, metav1.ConditionTrue, v1alpha1.ReasonAdmitted, "every gate passed")
		setCondition(s, status, v1alpha1.ConditionPreHooksDone, done, reason, status.Message)
	}
}

// waitingHook is the hold of a hook that waits. When it ends nobody knows but the script.
func waitingHook(run *v1alpha1.HookRun) v1alpha1.Hold {
	at := run.NextRunAt.UTC().Format(time.TimeOnly)
	hold := v1alpha1.Hold{Source: "Hook/" + run.Name, Reason: run.Reason,
		Message:    fmt.Sprintf("hook %s waits: %s", run.Name, orDefault(run.Message, "it does not say for what")),
		ClearsWhen: fmt.Sprintf("the hook says that it is done; asked again at %s", at)}
	if run.Reason == v1alpha1.ReasonHookRetrying {
		next := metav1.NewTime(run.NextRunAt.Time)
		hold.Message = fmt.Sprintf("run %d of hook %s came to no result: %s", run.Runs, run.Name, run.Message)
		hold.Until, hold.ClearsWhen = &next, "it is tried again at "+at
	}
	return hold
}
