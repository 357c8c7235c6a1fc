package operation_test

import (
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// haveHooks gives a life up to four hooks, on either side.
func (l *life) haveHooks(t *rapid.T) {
	l.elected = rapid.Bool().Draw(t, "elected")
	for _, name := range []string{"a", "b", "c", "d"}[:rapid.IntRange(0, 4).Draw(t, "hooks")] {
		l.hooks = append(l.hooks, anyHook(t, name))
	}
}

func anyHook(t *rapid.T, name string) operation.Hook {
	return operation.Hook{Name: name, Matches: rapid.IntRange(0, 4).Draw(t, "matches") > 0,
		When:    rapid.SampledFrom([]v1alpha1.HookWhen{v1alpha1.HookBefore, v1alpha1.HookAfter}).Draw(t, "when"),
		Hash:    rapid.SampledFrom([]string{"v1", "v2"}).Draw(t, "script"),
		Timeout: rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour}).Draw(t, "timeout"),
		Retries: rapid.Int32Range(0, 2).Draw(t, "hook retries"),
		OnError: rapid.SampledFrom([]v1alpha1.ErrorAction{v1alpha1.ErrorFail, v1alpha1.ErrorIgnore}).Draw(t, "on error"),
		Problem: rapid.SampledFrom([]string{"", "", "", "line 1: no"}).Draw(t, "problem")}
}

// hookSays: the script that runs says something, sensible or not.
func hookSays(l *life, t *rapid.T) {
	if l.running == nil {
		return
	}
	l.say(rapid.SampledFrom([]operation.HookOutcome{operation.HookSaidDone, operation.HookSaidWait, operation.HookSaidWait,
		operation.HookSaidFail, operation.HookErrored, "Nonsense"}).Draw(t, "says"))
	l.hookReply.After = time.Duration(rapid.IntRange(-10, 10000).Draw(t, "after")) * time.Second
	l.hookReply.State = strings.Repeat("x", rapid.SampledFrom([]int{0, 10, 16 << 10, 17 << 10}).Draw(t, "state"))
	l.hookReply.Message = strings.Repeat("y", rapid.SampledFrom([]int{0, 10, 5000}).Draw(t, "message"))
	l.hookReply.Actions = slices.Repeat([]string{"kube.drain: 3 pods left"}, rapid.IntRange(0, 20).Draw(t, "actions"))
}

func (l *life) say(outcome operation.HookOutcome) {
	l.hookReply = &operation.HookReply{Name: l.running.Hook.Name, When: l.running.Hook.When, Run: l.running.Run, Outcome: outcome}
	l.running = nil
}

// changeHook edits, breaks or deletes one, or makes a new one.
func changeHook(l *life, t *rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "hook")
	l.hooks = slices.DeleteFunc(slices.Clone(l.hooks), func(h operation.Hook) bool { return h.Name == name })
	if rapid.Bool().Draw(t, "kept") {
		l.hooks = append(l.hooks, anyHook(t, name))
	}
}
