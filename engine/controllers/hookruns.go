package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
	"stargate.io/stargate/policies/hooks"
)

// Scripts compiles what hooks say and runs it, away from this process's credentials. Safe for concurrent
// use.
type Scripts interface {
	Compile(name, text string) (*hooks.Script, []hooks.Problem)
	Run(ctx context.Context, call hooks.Call, host hooks.Host) (hooks.Result, error)
}

// maxAsked bounds the runs that are asked for at once, and maxOfOne those of one hook: they are lined up by who runs
// them, and a hook that hangs for many Operations is not to keep the others from coming so far.
const (
	maxAsked = 2048
	maxOfOne = maxAsked / 2
)

// hookRuns makes the runs of hooks, and keeps what this process alone knows of them.
type hookRuns struct {
	clock   clock.Clock
	wake    func(types.NamespacedName)
	scripts Scripts
	// deadline of one run.
	deadline time.Duration
	// elected: no other process runs hooks.
	elected bool

	mu      sync.Mutex
	records map[types.UID]*hookRecord
	// queue of the runs that are not asked for yet. Of those that are, busy counts all, and asked each hook's.
	queue   []queuedRun
	busy    int
	asked   map[string]int
	stopped bool
	running sync.WaitGroup
}

// queuedRun is a run, with all that comes after it.
type queuedRun struct {
	hook string
	work func()
}

// hookRecord of one Operation's hooks.
type hookRecord struct {
	runs  bool
	reply *operation.HookReply
	// pinned are the scripts that began, by the name of their Hook: an edit in mid-flight does not change
	// what is being done.
	pinned map[string]*hooks.Script
	// forgotten: the Operation ended or went while a run was under way; nobody waits for the reply.
	forgotten bool
}

func newHookRuns(clock clock.Clock, wake func(types.NamespacedName), options HookOptions) *hookRuns {
	return &hookRuns{clock: clock, wake: wake, scripts: options.Scripts, deadline: options.Deadline,
		elected: options.Elected, records: map[types.UID]*hookRecord{}, asked: map[string]int{}}
}

// hookRun is one run with everything that it needs.
type hookRun struct {
	key    types.NamespacedName
	uid    types.UID
	effect operation.RunHook
	call   hooks.Call
	host   hooks.Host
	// told gets what the script logged, told and did.
	told func(hooks.Result)
}

// tell fills in what the snapshot says of hooks.
func (h *hookRuns) tell(uid types.UID, s *operation.Snapshot) {
	s.RunDeadline, s.Elected = h.deadline, h.elected
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.records[uid]; r != nil {
		s.HookRuns, s.HookReply = r.runs, r.reply
	}
}

// pin gives the script of a Hook that began for an Operation; nil where this process has none.
func (h *hookRuns) pin(uid types.UID, name string) *hooks.Script {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.records[uid]; r != nil {
		return r.pinned[name]
	}
	return nil
}

// folded drops a reply that was written down or needs no writing.
func (h *hookRuns) folded(uid types.UID, reply *operation.HookReply) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.records[uid]; r != nil && r.reply == reply {
		r.reply = nil
	}
}

// forget everything of an Operation that has ended.
func (h *hookRuns) forget(uid types.UID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.records[uid]
	switch {
	case r == nil:
	case r.runs:
		r.forgotten = true
	default:
		delete(h.records, uid)
	}
}

// start a run in the background. Its reply wakes the Operation.
func (h *hookRuns) start(ctx context.Context, run hookRun) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.records[run.uid]
	if r == nil {
		r = &hookRecord{pinned: map[string]*hooks.Script{}}
		h.records[run.uid] = r
	}
	if r.runs || h.stopped {
		return
	}
	r.runs, r.reply, r.pinned[run.effect.Hook.Name] = true, nil, run.call.Script
	asked := h.clock.Now()
	next := queuedRun{hook: run.effect.Hook.Name, work: func() {
		h.ended(run.uid, r, h.perform(ctx, run, asked))
		h.wake(run.key)
	}}
	if h.fits(next) {
		h.begin(next)
		return
	}
	h.queue = append(h.queue, next)
}

// fits tells whether a run may be asked for now.
func (h *hookRuns) fits(run queuedRun) bool { return h.busy < maxAsked && h.asked[run.hook] < maxOfOne }

// begin a run that fits. The place that it leaves is that of the first in the line that fits then: as nobody else who
// waits did before, there is no second.
func (h *hookRuns) begin(run queuedRun) {
	h.busy++
	h.asked[run.hook]++
	h.running.Go(func() {
		run.work()
		h.mu.Lock()
		defer h.mu.Unlock()
		h.busy--
		if h.asked[run.hook]--; h.asked[run.hook] == 0 {
			delete(h.asked, run.hook)
		}
		if next := slices.IndexFunc(h.queue, h.fits); next >= 0 {
			first := h.queue[next]
			h.queue = slices.Delete(h.queue, next, next+1)
			h.begin(first)
		}
	})
}

func (h *hookRuns) ended(uid types.UID, r *hookRecord, reply *operation.HookReply) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r.runs, r.reply = false, reply
	if r.forgotten {
		delete(h.records, uid)
	}
}

// stop takes no further runs and drops those that wait in the line: they never began. The channel is
// closed once those under way have ended.
func (h *hookRuns) stop() <-chan struct{} {
	h.mu.Lock()
	h.stopped, h.queue = true, nil
	h.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		h.running.Wait()
		close(ended)
	}()
	return ended
}

// unfolded lists the Operations with a result that is not written down yet.
func (h *hookRuns) unfolded() []types.UID {
	h.mu.Lock()
	defer h.mu.Unlock()
	var uids []types.UID
	for uid, r := range h.records {
		if r.reply != nil {
			uids = append(uids, uid)
		}
	}
	return uids
}

// perform makes one run; nil where it was cut off, which is no result: by the end of this process, or because it
// waited in the line for so long that another may take this process for dead. Then it is asked for anew.
func (h *hookRuns) perform(ctx context.Context, run hookRun, asked time.Time) (reply *operation.HookReply) {
	began := h.clock.Now()
	if !h.elected {
		limited, cancel := context.WithTimeout(ctx, 2*h.deadline-h.clock.Since(asked))
		defer cancel()
		ctx = limited
	}
	reply = &operation.HookReply{Name: run.effect.Hook.Name, When: run.effect.Hook.When, Run: run.effect.Run, Outcome: operation.HookErrored}
	defer func() {
		if p := recover(); p != nil {
			reply.Message = fmt.Sprintf("%s: %v", hooks.ReasonWorkerFailure, p)
		}
		if reply != nil {
			observeHook(run.effect.Hook.Name, reply.Outcome, h.clock.Since(began))
		}
	}()
	result, err := h.scripts.Run(ctx, run.call, run.host)
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		reply.Message = fmt.Sprintf("%s: %v", hooks.ReasonWorkerFailure, err)
		return reply
	}
	run.told(result)
	reply.Outcome, reply.Message, reply.After, reply.State = outcomeOf(result.Outcome), result.Message, result.After, string(result.State)
	if result.Outcome == hooks.Errored {
		reply.Message = fmt.Sprintf("%s: %s", result.Reason, result.Message)
	}
	reply.Actions = actionsOf(result.Verbs)
	return reply
}

func outcomeOf(outcome hooks.Outcome) operation.HookOutcome {
	switch outcome {
	case hooks.Done:
		return operation.HookSaidDone
	case hooks.Wait:
		return operation.HookSaidWait
	case hooks.Fail:
		return operation.HookSaidFail
	case hooks.Errored:
	}
	return operation.HookErrored
}

// maxActions and maxAction bound what of a run is kept in an Operation's history.
const (
	maxActions = 16
	maxAction  = 256
)

// actionsOf are the latest of what a run carried out, each with what came of it.
func actionsOf(verbs []hooks.VerbDone) []string {
	var actions []string
	for _, verb := range verbs[max(len(verbs)-maxActions, 0):] {
		result := verb.Result
		if verb.Failed {
			result = "failed: " + result
		}
		text := verb.What + ": " + result
		actions = append(actions, text[:min(len(text), maxAction)])
	}
	return slices.Clip(actions)
}

// HookOptions say how hooks are run.
type HookOptions struct {
	// Scripts compiles and runs them.
	Scripts Scripts
	// Deadline of one run; zero for 30s.
	Deadline time.Duration
	// Elected: this process works only while it has the lease, so that no other runs hooks.
	Elected bool
	// Host carries out the Kubernetes verbs of a Hook for a Server.
	Host func(server *v1alpha1.Server, kubeconfig *v1alpha1.SecretKeyReference) hooks.Host
}
