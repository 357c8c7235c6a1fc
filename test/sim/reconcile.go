package sim

import (
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// maxEffects mirrors engine/controllers/operations.go.
const maxEffects = 24

// pass is one Operation's way through a reconcile.
type pass struct {
	operation.Snapshot
	name string
	site *site
	// datacenter as the driver was made from it.
	datacenter *v1alpha1.Datacenter
	limit      int
	intended   bool
}

// reconcileOperation mirrors Operations.Reconcile. It gives when to come back, zero for never.
func (p *process) reconcileOperation(name string) (time.Duration, error) {
	p.countOnce()
	s := p.gather(name)
	if s == nil {
		return 0, nil
	}
	for range maxEffects {
		effect := operation.Decide(s.Snapshot)
		if wait, ok := effect.(operation.Wait); ok {
			return p.rest(s, wait), nil
		}
		done, err := p.carryOut(s, effect)
		if err != nil {
			return p.setBack(s, effect, err)
		}
		if done {
			p.folded(s.Operation.UID, s.Reply)
			p.foldedHook(s.Operation.UID, s.HookReply)
			return 0, nil
		}
		s.Now = p.world.wall()
	}
	p.world.broken("%s: no end after %d effects in stage %s", name, maxEffects, operation.StageOf(&s.Operation.Status))
	return 0, fmt.Errorf("no end after %d effects", maxEffects)
}

func (p *process) rest(s *pass, wait operation.Wait) time.Duration {
	p.folded(s.Operation.UID, s.Reply)
	p.foldedHook(s.Operation.UID, s.HookReply)
	finished := s.Operation.Status.Phase.Terminal()
	if finished || wait.FreeSlot {
		p.release(s.Operation.UID)
	}
	if finished {
		p.forgetCalls(s.Operation.UID)
		p.forgetHooks(s.Operation.UID)
	}
	if wait.Until.IsZero() {
		return 0
	}
	return max(wait.Until.Sub(p.world.wall()), time.Millisecond)
}

func (p *process) setBack(s *pass, effect operation.Effect, err error) (time.Duration, error) {
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		p.operations.forget(s.Operation.UID)
		if s.Server != nil {
			p.servers.forget(s.Server.UID)
		}
		p.world.note(p.name, "%s: decided %T on something old: %v", s.name, effect, err)
		return 50 * time.Millisecond, nil
	}
	return 0, err
}

// missing mirrors Operations.missing: it is gone, unless the cache is behind.
func (p *process) missing(name string) {
	known := p.known[name]
	if uid, ok := p.liveUID(name); known.counted && ok && uid == string(known.uid) {
		p.enqueue(item{operations, name}, time.Second)
		return
	}
	p.gone(name)
}

// gone mirrors Operations.gone.
func (p *process) gone(name string) {
	before, ok := p.known[name]
	delete(p.known, name)
	if ok {
		p.release(before.uid)
		p.forgetCalls(before.uid)
		p.forgetHooks(before.uid)
		p.operations.forget(before.uid)
	}
}

// remember mirrors Operations.remember.
func (p *process) remember(name string, uid types.UID) {
	before, ok := p.known[name]
	if before.uid != uid || before.counted {
		p.known[name] = seen{uid: uid}
	}
	if ok && before.uid != uid {
		p.release(before.uid)
		p.forgetCalls(before.uid)
		p.forgetHooks(before.uid)
	}
}

// firstSeen mirrors Operations.firstSeen.
func (p *process) firstSeen(name string, server *v1alpha1.Server) string {
	known := p.known[name]
	if known.server == "" && server != nil {
		known.server = server.UID
		p.known[name] = known
	}
	return string(known.server)
}
