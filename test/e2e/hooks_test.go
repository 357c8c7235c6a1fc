package e2e

import (
	"context"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/test/hookjudge"
)

// hooked is a room whose hooks ask a judge.
type hooked struct {
	*Room
	judge *hookjudge.Judge
}

func newHooked(t *testing.T) *hooked {
	h := &hooked{Room: NewWorld(t).Room(site.Config{}), judge: hookjudge.New(t)}
	h.Create(Server(h.Namespace, 1))
	return h
}

// hook that is about the room alone; its name is the room's own, since Hooks are of no namespace.
func (h *hooked) hook(name string, when v1alpha1.HookWhen, changes ...func(*v1alpha1.HookSpec)) *v1alpha1.Hook {
	hook := &v1alpha1.Hook{ObjectMeta: metav1.ObjectMeta{Name: name + "." + h.Namespace}}
	hook.Spec = v1alpha1.HookSpec{When: when, Script: h.judge.Script(), Match: v1alpha1.Match{Namespaces: []string{h.Namespace}},
		Timeout: &metav1.Duration{Duration: 5 * time.Minute}, Allow: v1alpha1.HookAllow{Hosts: []string{h.judge.Address()}}}
	for _, change := range changes {
		change(&hook.Spec)
	}
	h.Create(hook)
	h.Cleanup(func() { _ = client.IgnoreNotFound(h.Client.Delete(context.Background(), hook)) })
	return hook
}

// start the controller; a run that was cut off is taken over after four seconds.
func (h *hooked) start() (stop func()) {
	return h.Start(func(o *engine.Options) { o.HookDeadline = 2 * time.Second })
}

// record of a hook in an Operation's status.
func record(op *v1alpha1.Operation, hook *v1alpha1.Hook) v1alpha1.HookRun {
	for _, run := range op.Status.Hooks {
		if run.Name == hook.Name {
			return run
		}
	}
	return v1alpha1.HookRun{}
}

func (h *hooked) server(n int) *v1alpha1.Server {
	server := Server(h.Namespace, n)
	h.Refresh(server)
	return server
}

// TestHooksRunInOrderOnBothSides: before the site is asked and after its job, each once, with the state of the last
// wait; and what they did is in the Operation's history.
func TestHooksRunInOrderOnBothSides(t *testing.T) {
	t.Parallel()
	h := newHooked(t)
	second := h.hook("drain", v1alpha1.HookBefore, func(s *v1alpha1.HookSpec) { s.Order = 2 })
	first := h.hook("announce", v1alpha1.HookBefore, func(s *v1alpha1.HookSpec) { s.Order = 1 })
	after := h.hook("verify", v1alpha1.HookAfter)
	h.judge.Answer(func(asked hookjudge.Asked) hookjudge.Says {
		if asked.When == "Before" {
			if n := h.repaves(); n != 0 {
				t.Errorf("hook %s ran after the site was asked for %d jobs", asked.Hook, n)
			}
		}
		if asked.Hook == second.Name && asked.Count < 2 {
			return hookjudge.Says{Outcome: "wait", After: "1s", Message: "pods left"}
		}
		return hookjudge.Says{Outcome: "done"}
	})
	op := h.Repave("repave", 1)
	h.Create(op)
	h.start()
	h.UntilPhase(op, v1alpha1.OperationSucceeded)
	if all := h.judge.All(); len(all) != 5 || all[0].Hook != first.Name || all[3].Hook != second.Name || all[4].Hook != after.Name {
		t.Errorf("the hooks ran as %+v", all)
	}
	for _, hook := range []*v1alpha1.Hook{first, second, after} {
		run := record(op, hook)
		if asked := h.judge.Runs(string(op.UID), hook.Name); run.Result != v1alpha1.HookDone || int(run.Runs) != len(asked) {
			t.Errorf("hook %s: %+v, and the judge was asked %d times", hook.Name, run, len(asked))
		}
	}
	if asked := h.judge.Runs(string(op.UID), after.Name); len(asked) == 1 && asked[0].Job != "succeeded" {
		t.Errorf("the hook after the job saw it as %q", asked[0].Job)
	}
	if !meta.IsStatusConditionTrue(op.Status.Conditions, v1alpha1.ConditionPreHooksDone) {
		t.Errorf("PreHooksDone is not true: %+v", op.Status.Conditions)
	}
}

// TestHookThatFailsBefore: nothing is sent to the site, and the server is what it was.
func TestHookThatFailsBefore(t *testing.T) {
	t.Parallel()
	h := newHooked(t)
	h.hook("ask", v1alpha1.HookBefore)
	h.judge.Answer(func(hookjudge.Asked) hookjudge.Says {
		return hookjudge.Says{Outcome: "fail", Message: "not tonight"}
	})
	op := h.Repave("repave", 1)
	h.Create(op)
	h.start()
	h.UntilPhase(op, v1alpha1.OperationFailed)
	failed := meta.FindStatusCondition(op.Status.Conditions, v1alpha1.ConditionFailed)
	if failed == nil || failed.Reason != v1alpha1.ReasonHookFailed || h.repaves() != 0 {
		t.Errorf("Failed is %+v, and the site was asked for %d jobs", failed, h.repaves())
	}
	if server := h.server(1); server.Status.State != v1alpha1.ServerUntouched || server.Status.ActiveOperation != nil || server.Status.Quarantine != nil {
		t.Errorf("the server is %+v", server.Status)
	}
}

// TestHookThatFailsAfter: the Operation has failed, and the server is recorded as what it was made.
func TestHookThatFailsAfter(t *testing.T) {
	t.Parallel()
	h := newHooked(t)
	h.hook("verify", v1alpha1.HookAfter)
	h.judge.Answer(func(asked hookjudge.Asked) hookjudge.Says {
		if server := h.server(1); server.Status.ActiveOperation == nil {
			t.Error("the server was free while a hook ran after its job")
		}
		return hookjudge.Says{Outcome: "fail", Message: "the node did not come back"}
	})
	op := h.Repave("repave", 1)
	h.Create(op)
	h.start()
	h.UntilPhase(op, v1alpha1.OperationFailed)
	server := h.server(1)
	if server.Status.State != v1alpha1.ServerReady || server.Status.CurrentOS != "2.0.0" || server.Status.Quarantine != nil || server.Status.ActiveOperation != nil {
		t.Errorf("the server is %+v", server.Status)
	}
	if last := server.Status.LastOperation; last == nil || last.Reason != v1alpha1.ReasonHookFailed {
		t.Errorf("the last Operation on it is %+v", last)
	}
}

// TestHookThatIsIgnored, one that times out, and one that is retried.
func TestHookThatIsIgnored(t *testing.T) {
	t.Parallel()
	h := newHooked(t)
	ignored := h.hook("notify", v1alpha1.HookBefore, func(s *v1alpha1.HookSpec) { s.Order, s.OnError = 1, v1alpha1.ErrorIgnore })
	late := h.hook("wait", v1alpha1.HookBefore, func(s *v1alpha1.HookSpec) {
		s.Order, s.OnError, s.Timeout = 2, v1alpha1.ErrorIgnore, &metav1.Duration{Duration: 2 * time.Second}
	})
	retried := h.hook("retry", v1alpha1.HookBefore, func(s *v1alpha1.HookSpec) { s.Order, s.Retries = 3, 1 })
	h.judge.Answer(func(asked hookjudge.Asked) hookjudge.Says {
		switch {
		case asked.Hook == ignored.Name:
			return hookjudge.Says{Outcome: "fail", Message: "no such channel"}
		case asked.Hook == late.Name:
			return hookjudge.Says{Outcome: "wait", After: "1s", Message: "not yet"}
		case len(h.judge.Runs(asked.Key[:len(asked.Key)-len(asked.Hook)-1], asked.Hook)) == 1:
			return hookjudge.Says{Outcome: "error", Message: "boom"}
		}
		return hookjudge.Says{Outcome: "done"}
	})
	op := h.Repave("repave", 1)
	h.Create(op)
	h.start()
	h.UntilPhase(op, v1alpha1.OperationSucceeded)
	if run := record(op, ignored); run.Result != v1alpha1.HookIgnored || run.Reason != v1alpha1.ReasonHookFailed || run.Runs != 1 {
		t.Errorf("the ignored hook: %+v", run)
	}
	if run := record(op, late); run.Result != v1alpha1.HookIgnored || run.Reason != v1alpha1.ReasonHookTimedOut {
		t.Errorf("the late hook: %+v", run)
	}
	if run := record(op, retried); run.Result != v1alpha1.HookDone || run.Runs != 2 || run.Errors != 1 {
		t.Errorf("the retried hook: %+v", run)
	}
}

// TestCancelWhileAHookWaits: the Operation ends, and nothing is sent.
func TestCancelWhileAHookWaits(t *testing.T) {
	t.Parallel()
	h := newHooked(t)
	hook := h.hook("drain", v1alpha1.HookBefore)
	h.judge.Answer(func(hookjudge.Asked) hookjudge.Says {
		return hookjudge.Says{Outcome: "wait", After: "1h", Message: "pods left"}
	})
	op := h.Repave("repave", 1)
	h.Create(op)
	h.start()
	h.Until(op, "held by its hook", func() bool {
		return len(op.Status.Holds) == 1 && op.Status.Holds[0].Source == "Hook/"+hook.Name && op.Status.Holds[0].Reason == v1alpha1.ReasonHookWaiting
	})
	h.Edit(op, func() { op.Spec.Cancel = true })
	h.UntilPhase(op, v1alpha1.OperationCancelled)
	if run := record(op, hook); run.Result != v1alpha1.HookIgnored || h.repaves() != 0 {
		t.Errorf("the hook is %+v, and the site was asked for %d jobs", run, h.repaves())
	}
}

// TestHookThatDoesNotCompile holds what it matches, and says where the slip is; corrected, it lets go at once.
func TestHookThatDoesNotCompile(t *testing.T) {
	t.Parallel()
	h := newHooked(t)
	good := h.judge.Script()
	hook := h.hook("verify", v1alpha1.HookAfter, func(s *v1alpha1.HookSpec) { s.Script = "function run(ctx) return ctx.done(" })
	op := h.Repave("repave", 1)
	h.Create(op)
	h.start()
	h.Until(op, "held by the broken hook", func() bool {
		return len(op.Status.Holds) == 1 && op.Status.Holds[0].Reason == v1alpha1.ReasonHookInvalid
	})
	h.Until(hook, "marked", func() bool {
		return len(hook.Status.Errors) == 1 && meta.IsStatusConditionFalse(hook.Status.Conditions, v1alpha1.ConditionReady)
	})
	h.Edit(hook, func() { hook.Spec.Script = good })
	h.UntilPhase(op, v1alpha1.OperationSucceeded)
	if run := record(op, hook); run.Result != v1alpha1.HookDone || run.Runs != 1 {
		t.Errorf("the hook is %+v", run)
	}
}

// TestRestartWhileAHookWaits: the next controller goes on with the state of the last wait.
func TestRestartWhileAHookWaits(t *testing.T) {
	t.Parallel()
	h := newHooked(t)
	hook := h.hook("drain", v1alpha1.HookBefore)
	h.judge.Answer(func(asked hookjudge.Asked) hookjudge.Says {
		if asked.Count < 1 {
			return hookjudge.Says{Outcome: "wait", After: "1s", Message: "pods left"}
		}
		return hookjudge.Says{Outcome: "done"}
	})
	op := h.Repave("repave", 1)
	h.Create(op)
	stop := h.start()
	h.Until(op, "waiting", func() bool { return record(op, hook).Result == v1alpha1.HookWaiting })
	stop()
	h.start()
	h.UntilPhase(op, v1alpha1.OperationSucceeded)
	if run, asked := record(op, hook), h.judge.Runs(string(op.UID), hook.Name); run.Runs != 2 || len(asked) != 2 || asked[1].Count != 1 {
		t.Errorf("the hook is %+v, and the judge saw %+v", run, asked)
	}
}

// repaves that the site began.
func (h *hooked) repaves() int { return h.Site.Machines()[Server(h.Namespace, 1).Name].Repaves }
