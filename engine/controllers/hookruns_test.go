package controllers

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"stargate.io/stargate/engine/operation"
	"stargate.io/stargate/policies/hooks"
)

// hanging scripts: those of one hook do not end before they are let go.
type hanging struct {
	hook         string
	let          chan struct{}
	asked, ended atomic.Int32
}

// Compile implements Scripts.
func (*hanging) Compile(name, text string) (*hooks.Script, []hooks.Problem) {
	return hooks.Compile(name, text)
}

// Run implements Scripts.
func (s *hanging) Run(_ context.Context, call hooks.Call, _ hooks.Host) (hooks.Result, error) {
	if call.Name == s.hook {
		s.asked.Add(1)
		<-s.let
		s.ended.Add(1)
	}
	return hooks.Result{Outcome: hooks.Done}, nil
}

// TestOneHookLeavesRoom for the others, though it hangs for more Operations than may be asked for at once; and every
// one of its runs gets its turn.
func TestOneHookLeavesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scripts := &hanging{hook: "hangs", let: make(chan struct{})}
		var woken atomic.Int32
		runs := newHookRuns(clock.RealClock{}, func(types.NamespacedName) { woken.Add(1) }, HookOptions{Scripts: scripts, Elected: true})
		start := func(hook string, number int) {
			uid := types.UID(fmt.Sprintf("%s-%d", hook, number))
			runs.start(t.Context(), hookRun{uid: uid, effect: operation.RunHook{Hook: operation.Hook{Name: hook}},
				call: hooks.Call{Name: hook}, told: func(hooks.Result) {}})
		}
		const operations = maxAsked + 10
		for i := range operations {
			start("hangs", i)
		}
		start("drain", 0)
		synctest.Wait()
		if asked := scripts.asked.Load(); asked != maxOfOne {
			t.Errorf("%d runs of one hook are asked for at once, want %d", asked, maxOfOne)
		}
		var said operation.Snapshot
		runs.tell("drain-0", &said)
		if said.HookRuns || said.HookReply == nil || said.HookReply.Outcome != operation.HookSaidDone || woken.Load() != 1 {
			t.Errorf("another hook waits behind it: runs %t, reply %+v, %d woken", said.HookRuns, said.HookReply, woken.Load())
		}
		close(scripts.let)
		synctest.Wait()
		if ended := scripts.ended.Load(); ended != operations || woken.Load() != operations+1 {
			t.Errorf("%d of its runs have ended, and %d Operations were woken, of %d and one", ended, woken.Load(), operations)
		}
	})
}
