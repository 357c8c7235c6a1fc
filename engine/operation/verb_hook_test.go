package operation_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/datadriven"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// hook NAME before|after [order=] [timeout=] [retries=] [onError=] [script=] [broken=] [unmatched]: a Hook is
// created or edited. hook NAME gone: it is deleted.
func verbHook(b *bench, d *datadriven.TestData) string {
	name := bare(d, 0)
	b.hooks = slices.DeleteFunc(slices.Clone(b.hooks), func(h operation.Hook) bool { return h.Name == name })
	if d.HasArg("gone") {
		return "hook " + name + " is gone"
	}
	when := v1alpha1.HookBefore
	if bare(d, 1) == "after" {
		when = v1alpha1.HookAfter
	}
	hook := operation.Hook{Name: name, When: when, Order: int32(number(d, "order")), Hash: word(d, "script", name+"-v1"),
		Timeout: duration(word(d, "timeout", "10m")), Retries: int32(number(d, "retries")),
		OnError: v1alpha1.ErrorAction(word(d, "onError", string(v1alpha1.ErrorFail))), Problem: word(d, "broken", ""), Matches: !d.HasArg("unmatched")}
	b.hooks = append(b.hooks, hook)
	return fmt.Sprintf("%s %s, script %s, on error %s", when, name, hook.Hash, hook.OnError)
}

// says done|wait|fail|error [message=] [after=] [state=] [did=]: what the script says that runs.
func verbSays(b *bench, d *datadriven.TestData) string {
	if b.running == nil {
		return "no hook runs"
	}
	outcome := map[string]operation.HookOutcome{"done": operation.HookSaidDone, "wait": operation.HookSaidWait,
		"fail": operation.HookSaidFail, "error": operation.HookErrored}[bare(d, 0)]
	reply := &operation.HookReply{Name: b.running.Hook.Name, When: b.running.Hook.When, Run: b.running.Run,
		Outcome: outcome, Message: word(d, "message", ""), After: duration(word(d, "after", "0s")), State: word(d, "state", "")}
	if did := word(d, "did", ""); did != "" {
		reply.Actions = []string{did}
	}
	b.running, b.hookReply = nil, reply
	return ""
}

// elected: from now on the controllers elect a leader.
func verbElected(b *bench, _ *datadriven.TestData) string {
	b.elected = true
	return ""
}

// hooksSeen are the hooks as the process gives them to a decision: a script that the status names is the
// one that is run, where this process still has it.
func (b *bench) hooksSeen() []operation.Hook {
	var all []operation.Hook
	for _, hook := range b.hooks {
		b.scripts[hook.Hash] = true
		for _, run := range b.op.Status.Hooks {
			if run.Name == hook.Name && run.Result != "" && b.scripts[run.Hash] {
				hook.Hash = run.Hash
			}
		}
		all = append(all, hook)
	}
	return all
}

func describeRun(run operation.RunHook) string {
	text := fmt.Sprintf("run hook %s, run %d, script %s, key %s", run.Hook.Name, run.Run, run.Hook.Hash, run.Key)
	if run.State != "" {
		text += ", state " + run.State
	}
	if run.Job != nil {
		text += fmt.Sprintf(", after a job that ended %s (%s)", run.Job.Phase, run.Job.Reason)
	}
	return text
}

// describeHook says in one line how far a hook is.
func describeHook(run *v1alpha1.HookRun) string {
	text := fmt.Sprintf("%s hook %s", run.When, run.Name)
	if run.Result == "" {
		return text + ", its turn has not come"
	}
	text += fmt.Sprintf(", %s, %d runs", run.Result, run.Runs)
	if run.Errors > 0 {
		text += fmt.Sprintf(", %d errors", run.Errors)
	}
	if run.Reason != "" {
		text += ", " + run.Reason
	}
	if run.Message != "" {
		text += ": " + run.Message
	}
	if run.State != "" {
		text += ", state " + run.State
	}
	if run.NextRunAt != nil && run.Result == v1alpha1.HookWaiting {
		text += ", again at " + run.NextRunAt.UTC().Format(time.TimeOnly)
	}
	for _, action := range run.Actions {
		text += "; did " + action
	}
	return text
}
