package operation

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
)

const (
	// maxHooksASide is how many hooks one Operation can have before and as many after its job.
	maxHooksASide = 32
	// maxHookWait is the longest that a script may wait for its next run. A next run that is further
	// ahead was written by a clock that was set back since.
	maxHookWait = time.Hour
	// defaultRunDeadline bounds one run.
	defaultRunDeadline = 30 * time.Second
	// maxHookState bounds what a script keeps across its waits.
	maxHookState = 16 << 10
	// maxHookActions is how many of the latest actions of a hook are kept.
	maxHookActions = 16
)

// Hook that is about the Operation as things stand, or that its status names.
type Hook struct {
	Name  string
	When  v1alpha1.HookWhen
	Order int32
	// Hash of the script that would run: the one that the status names, where this process still has it,
	// else the Hook's own.
	Hash string
	// Timeout of all runs and waits together.
	Timeout time.Duration
	Retries int32
	OnError v1alpha1.ErrorAction
	// Problem that keeps the script from running at all; empty for none.
	Problem string
	// Matches: it is about the Operation as things stand now.
	Matches bool
}

// HookOutcome of a run.
type HookOutcome string

// The outcomes. Errored is a run that came to no result.
const (
	HookSaidDone HookOutcome = "Done"
	HookSaidWait HookOutcome = "Wait"
	HookSaidFail HookOutcome = "Fail"
	HookErrored  HookOutcome = "Errored"
)

// HookReply is what a run gave.
type HookReply struct {
	Name string
	When v1alpha1.HookWhen
	// Run is the number of the run, from 1.
	Run     int32
	Outcome HookOutcome
	Message string
	// After is when a wait wants to be run again.
	After time.Duration
	// State to be kept, as JSON.
	State string
	// Actions that were carried out, each with what came of it.
	Actions []string
}

// HooksBegun tells whether hooks of an Operation ran or run before its job. What they did is not undone,
// so from then on it keeps its place.
func HooksBegun(status *v1alpha1.OperationStatus) bool {
	return slices.ContainsFunc(status.Hooks, func(run v1alpha1.HookRun) bool {
		return run.When == v1alpha1.HookBefore && run.Result != ""
	})
}

// hook gives the Hook of a record; nil where it was deleted, or moved to the other side.
func (s *Snapshot) hook(run *v1alpha1.HookRun) *Hook {
	for i := range s.Hooks {
		if s.Hooks[i].Name == run.Name && s.Hooks[i].When == run.When {
			return &s.Hooks[i]
		}
	}
	return nil
}

// matching gives the hooks of one side that are about the Operation, in the order in which they run. One
// that was moved from one side to the other in mid-flight is not run a second time.
func (s *Snapshot) matching(when v1alpha1.HookWhen) []Hook {
	var all []Hook
	for _, hook := range s.Hooks {
		moved := slices.ContainsFunc(s.Operation.Status.Hooks, func(run v1alpha1.HookRun) bool { return run.Name == hook.Name && run.When != when })
		if hook.When == when && hook.Matches && !moved {
			all = append(all, hook)
		}
	}
	slices.SortFunc(all, func(a, b Hook) int { return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Name, b.Name)) })
	return all
}

// sideBegun tells whether it is settled which hooks run on one side.
func sideBegun(status *v1alpha1.OperationStatus, when v1alpha1.HookWhen) bool {
	return slices.ContainsFunc(status.Hooks, func(run v1alpha1.HookRun) bool { return run.When == when })
}

// turn gives the place of the first hook of one side that has no end; negative where all have one.
func turn(status *v1alpha1.OperationStatus, when v1alpha1.HookWhen) int {
	return slices.IndexFunc(status.Hooks, func(run v1alpha1.HookRun) bool { return run.When == when && !run.Finished() })
}

// failedHook gives the hook of one side that failed; nil for none.
func failedHook(status *v1alpha1.OperationStatus, when v1alpha1.HookWhen) *v1alpha1.HookRun {
	for i := range status.Hooks {
		if run := &status.Hooks[i]; run.When == when && run.Result == v1alpha1.HookFailed {
			return run
		}
	}
	return nil
}

// hookHold holds an Operation that a Hook matches which cannot run, while it can still be held: a hook
// that drains a node is never left out because of a slip in its script. Of hooks that run after the job
// the same is asked before it, because after it only the machine could wait.
func hookHold(s *Snapshot) *v1alpha1.Hold {
	if s.dispatched() {
		return nil
	}
	for _, when := range []v1alpha1.HookWhen{v1alpha1.HookBefore, v1alpha1.HookAfter} {
		if sideBegun(&s.Operation.Status, when) {
			continue
		}
		all := s.matching(when)
		if len(all) > maxHooksASide {
			return &v1alpha1.Hold{Source: "Hook/" + all[maxHooksASide].Name, Reason: v1alpha1.ReasonHookInvalid,
				Message:    fmt.Sprintf("%d hooks that run %s match this Operation, and at most %d can run; narrow the match of some", len(all), when, maxHooksASide),
				ClearsWhen: "fewer hooks match"}
		}
		for i := range all {
			if all[i].Problem != "" {
				return invalidHook(&all[i])
			}
		}
	}
	return nil
}

// invalidHook is the hold of a Hook that does not compile.
func invalidHook(hook *Hook) *v1alpha1.Hold {
	return &v1alpha1.Hold{Source: "Hook/" + hook.Name, Reason: v1alpha1.ReasonHookInvalid,
		Message:    fmt.Sprintf("Hook %s cannot run: %s", hook.Name, hook.Problem),
		ClearsWhen: "its script is corrected, or the Hook is deleted"}
}

// listHooks settles which hooks run on one side, and gives the first its turn.
func listHooks(s *Snapshot, status *v1alpha1.OperationStatus, when v1alpha1.HookWhen) {
	all := s.matching(when)
	for _, hook := range all[:min(len(all), maxHooksASide)] {
		status.Hooks = append(status.Hooks, v1alpha1.HookRun{Name: hook.Name, When: when, Hash: hook.Hash})
	}
	giveTurn(s, status, when)
}

// giveTurn gives the first hook of one side that has no end its turn.
func giveTurn(s *Snapshot, status *v1alpha1.OperationStatus, when v1alpha1.HookWhen) {
	i := turn(status, when)
	if i < 0 || status.Hooks[i].Result != "" {
		return
	}
	run, now := &status.Hooks[i], metav1.NewMicroTime(s.Now)
	hook := s.hook(run)
	if hook == nil {
		return // deleted before its turn, which is written down by itself
	}
	run.Result, run.By, run.Hash = v1alpha1.HookRunning, s.Process, hook.Hash
	run.StartedAt, run.NextRunAt = &now, &now
}

// endHook writes a hook's end down.
func endHook(s *Snapshot, run *v1alpha1.HookRun, result v1alpha1.HookResult, reason, message string) {
	now := metav1.NewTime(s.Now)
	run.Result, run.Reason, run.Message = result, reason, bounded(message)
	run.State, run.NextRunAt, run.FinishedAt = "", nil, &now
}

// failHook ends a hook that failed, as its onError says.
func failHook(s *Snapshot, run *v1alpha1.HookRun, onError v1alpha1.ErrorAction, reason, message string) {
	result := v1alpha1.HookFailed
	if onError == v1alpha1.ErrorIgnore {
		result = v1alpha1.HookIgnored
	}
	endHook(s, run, result, reason, message)
}

// leaveOutHooks ends what an Operation that ends has not run.
func leaveOutHooks(s *Snapshot, status *v1alpha1.OperationStatus) {
	for i := range status.Hooks {
		if run := &status.Hooks[i]; !run.Finished() {
			endHook(s, run, v1alpha1.HookIgnored, v1alpha1.ReasonHookLeftOut, "the Operation ended before it")
		}
	}
}

// runDeadline bounds one run.
func (s *Snapshot) runDeadline() time.Duration { return cmp.Or(s.RunDeadline, defaultRunDeadline) }

// hookDeadline is when a hook's timeout is over.
func hookDeadline(run *v1alpha1.HookRun, hook *Hook) time.Time {
	return run.StartedAt.Add(hook.Timeout)
}
