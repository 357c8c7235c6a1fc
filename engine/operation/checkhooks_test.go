package operation_test

import (
	"fmt"
	"slices"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// checkRun: a hook is run only in its turn, which is written down, by the process that has it, never while
// another run is under way, and never once its end was written. Before the job nothing is claimed; after it the
// claim is still there.
func (c *checker) checkRun(s *operation.Snapshot, run operation.RunHook) error {
	status := &s.Operation.Status
	i := slices.IndexFunc(status.Hooks, func(r v1alpha1.HookRun) bool { return r.Name == run.Hook.Name && r.When == run.Hook.When })
	switch {
	case i < 0 || c.finished[run.Hook.Name] || status.Hooks[i].Finished():
		return fmt.Errorf("run %d of hook %s, which is not there or has its end", run.Run, run.Hook.Name)
	case status.Hooks[i].By != s.Process || status.Hooks[i].Result == "" || status.Hooks[i].Hash != run.Hook.Hash:
		return fmt.Errorf("run %d of hook %s, which is not written down as this process's: %+v", run.Run, run.Hook.Name, status.Hooks[i])
	case s.HookRuns || s.Stopping || s.Operation.Spec.Cancel || s.Operation.DeletionTimestamp != nil:
		return fmt.Errorf("run %d of hook %s beside another, or of what somebody wants ended", run.Run, run.Hook.Name)
	case run.Key != string(s.Operation.UID)+"/"+run.Hook.Name || run.Run != status.Hooks[i].Runs+1 || run.Hook.Problem != "":
		return fmt.Errorf("run %d of hook %s with key %s", run.Run, run.Hook.Name, run.Key)
	case run.Hook.When == v1alpha1.HookAfter && (status.JobEnd == nil || !claimed(s)):
		return fmt.Errorf("hook %s runs after a job whose end is not written, or without the claim", run.Hook.Name)
	case run.Hook.When == v1alpha1.HookBefore && (s.Verdict == nil || !s.Verdict.Admitted || status.JobEnd != nil):
		return fmt.Errorf("hook %s runs before a job without a place", run.Hook.Name)
	}
	for _, before := range status.Hooks[:i] {
		if before.When == run.Hook.When && before.Result != v1alpha1.HookDone && before.Result != v1alpha1.HookIgnored {
			return fmt.Errorf("hook %s runs after hook %s, which is %q", run.Hook.Name, before.Name, before.Result)
		}
	}
	return nil
}

// checkHooks: what is written of a hook stays, an end stays an end, and no intent is written before all hooks of
// the one side have theirs.
func (c *checker) checkHooks(before, next *v1alpha1.OperationStatus) error {
	for i := range before.Hooks {
		was := &before.Hooks[i]
		switch is := &next.Hooks[i]; {
		case is.Name != was.Name || is.When != was.When || is.Runs < was.Runs:
			return fmt.Errorf("hook %s became %+v", was.Name, is)
		case was.Finished() && (is.Result != was.Result || is.Runs != was.Runs || !is.FinishedAt.Equal(was.FinishedAt)):
			return fmt.Errorf("the end of hook %s was changed: %+v", was.Name, is)
		case is.Result == v1alpha1.HookWaiting && was.State != "" && is.State == "" && is.Runs == was.Runs:
			return fmt.Errorf("hook %s lost what it kept", was.Name)
		}
	}
	for i := range next.Hooks {
		hook := &next.Hooks[i]
		c.finished[hook.Name] = c.finished[hook.Name] || hook.Finished()
		if len(next.Attempts) > len(before.Attempts) && hook.When == v1alpha1.HookBefore && hook.Result != v1alpha1.HookDone && hook.Result != v1alpha1.HookIgnored {
			return fmt.Errorf("an intent before hook %s is done: %q", hook.Name, hook.Result)
		}
		if next.Phase.Terminal() && !hook.Finished() {
			return fmt.Errorf("an end while hook %s is %q", hook.Name, hook.Result)
		}
	}
	if next.JobEnd == nil && before.JobEnd != nil {
		return fmt.Errorf("how the job ended was forgotten")
	}
	return nil
}
