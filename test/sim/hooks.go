package sim

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// runDeadline bounds a run of a hook.
const runDeadline = 5 * time.Second

// hookRecord is what this process alone can know of an Operation's hooks.
type hookRecord struct {
	runs      bool
	forgotten bool
	reply     *operation.HookReply
}

// hooks of a history: every other one has some. Whoever edits or deletes them is in the transcripts.
func (w *world) hooks() []operation.Hook {
	if w.options.Undisturbed || w.result.Seed%2 == 0 {
		return nil
	}
	return []operation.Hook{
		{Name: "announce", When: v1alpha1.HookBefore, Hash: "h1", Timeout: time.Minute, OnError: v1alpha1.ErrorIgnore, Matches: true},
		{Name: "drain", When: v1alpha1.HookBefore, Order: 1, Hash: "h2", Timeout: 10 * time.Minute, Retries: 3, OnError: v1alpha1.ErrorFail, Matches: true},
		{Name: "verify", When: v1alpha1.HookAfter, Hash: "h3", Timeout: 10 * time.Minute, Retries: 1, OnError: v1alpha1.ErrorFail, Matches: true},
	}
}

// tellHooks mirrors hookRuns.tell.
func (p *process) tellHooks(uid types.UID, s *operation.Snapshot) {
	s.Hooks, s.RunDeadline = p.world.hooks(), runDeadline
	if r := p.hooks[uid]; r != nil {
		s.HookRuns, s.HookReply = r.runs, r.reply
	}
}

func (p *process) foldedHook(uid types.UID, reply *operation.HookReply) {
	if r := p.hooks[uid]; r != nil && r.reply == reply {
		r.reply = nil
	}
}

func (p *process) forgetHooks(uid types.UID) {
	r := p.hooks[uid]
	switch {
	case r == nil:
	case r.runs:
		r.forgotten = true
	default:
		delete(p.hooks, uid)
	}
}

// runHook mirrors Operations.runHook. What the script says wakes the Operation.
func (p *process) runHook(s *pass, run operation.RunHook) (bool, error) {
	if err := p.confirmOperation(s); err != nil {
		return false, err
	}
	w, uid, name := p.world, s.Operation.UID, s.name
	r := p.hooks[uid]
	if r == nil {
		r = &hookRecord{}
		p.hooks[uid] = r
	}
	if r.runs {
		return true, nil
	}
	w.judge.runs(p, run)
	what := fmt.Sprintf("run %d of %s", run.Run, run.Key)
	r.runs, r.reply = true, nil
	w.note(p.name, "makes %s", what)
	w.after(w.between(0, run.Deadline), func() {
		w.judge.ran(p, run)
		if p.dead {
			return
		}
		r.runs, r.reply = false, w.says(run)
		if r.forgotten {
			delete(p.hooks, uid)
		}
		w.note(p.name, "%s says %s", what, r.reply.Outcome)
		p.enqueue(item{operations, name}, 0)
	})
	p.risk("after " + what)
	return true, nil
}

// says is what a script says.
func (w *world) says(run operation.RunHook) *operation.HookReply {
	reply := &operation.HookReply{Name: run.Hook.Name, When: run.Hook.When, Run: run.Run, Outcome: operation.HookSaidDone}
	switch n := w.random.IntN(20); {
	case w.calm || n < 10:
	case n < 16:
		reply.Outcome, reply.After, reply.State = operation.HookSaidWait, w.between(time.Second, time.Minute), fmt.Sprintf(`{"n":%d}`, run.Run)
	case n < 19:
		reply.Outcome = operation.HookErrored
	default:
		reply.Outcome = operation.HookSaidFail
	}
	return reply
}

// runs is told of each run that begins: the API server must have its turn and not its end; and while the clock is
// right, no other process is at it.
func (j *judge) runs(p *process, run operation.RunHook) {
	uid := types.UID(run.Key[:len(run.Key)-len(run.Hook.Name)-1])
	op := j.world.api.ever[uid]
	found := false
	for i := range op.Status.Hooks {
		record := &op.Status.Hooks[i]
		if record.Name != run.Hook.Name {
			continue
		}
		found = true
		if record.Finished() || record.Result == "" || record.By != p.name {
			j.world.broken("%s of %s is run by %s, and is %q, of %s", run.Hook.Name, op.Name, p.name, record.Result, record.By)
		}
		if record.State != run.State {
			j.world.broken("%s of %s is run with state %q, and %q is written", run.Hook.Name, op.Name, run.State, record.State)
		}
	}
	if !found {
		j.world.broken("%s of %s is run, and nowhere written", run.Hook.Name, op.Name)
	}
	if other := j.running[run.Key]; other != nil && !other.dead && !j.world.skewed {
		j.world.broken("%s of %s is run by %s while %s runs it", run.Hook.Name, op.Name, p.name, other.name)
	}
	if j.running == nil {
		j.running = map[string]*process{}
	}
	j.running[run.Key] = p
}

// ran is told of each run that has ended.
func (j *judge) ran(p *process, run operation.RunHook) {
	if j.running[run.Key] == p {
		delete(j.running, run.Key)
	}
}
