package sim

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/operation"
)

// callTimeout mirrors engine/controllers/calls.go.
const callTimeout = 45 * time.Second

// callRecord is what this process alone can know of an Operation's calls.
type callRecord struct {
	calling   bool
	forgotten bool
	reply     *operation.Reply
	lastCall  time.Time
	intent    string
	landed    bool
	lost      error
}

func (p *process) record(uid types.UID) *callRecord {
	if p.calls[uid] == nil {
		p.calls[uid] = &callRecord{}
	}
	return p.calls[uid]
}

func (p *process) intend(uid types.UID, requestID string) {
	if r := p.record(uid); r.intent != requestID {
		r.intent, r.landed, r.lost = requestID, false, nil
	}
}

func (p *process) inherit(uid types.UID, requestID string) {
	r := p.record(uid)
	r.intent, r.landed = requestID, true
}

func (p *process) doubt(uid types.UID) {
	if r := p.calls[uid]; r != nil {
		r.landed = true
	}
}

func (p *process) tell(uid types.UID, s *operation.Snapshot) {
	r := p.calls[uid]
	if r == nil {
		return
	}
	s.Calling, s.Reply, s.LastCall, s.Lost = r.calling, r.reply, r.lastCall, r.lost
	if attempt := s.Operation.Status.LastAttempt(); attempt != nil {
		s.NotLanded = attempt.By == p.name && attempt.RequestID == r.intent && !r.landed
	}
}

func (p *process) folded(uid types.UID, reply *operation.Reply) {
	if r := p.calls[uid]; r != nil && r.reply == reply {
		r.reply = nil
	}
}

func (p *process) forgetCalls(uid types.UID) {
	r := p.calls[uid]
	switch {
	case r == nil:
	case r.calling:
		r.forgotten = true
	default:
		delete(p.calls, uid)
	}
}

// call lets a request leave for its site. The reply, if there is one, wakes the Operation.
func (p *process) call(s *pass, call operation.Call) error {
	if s.site == nil {
		return fmt.Errorf("no driver for %s", s.Site.Name)
	}
	what := fmt.Sprintf("%s %s", call.Kind, call.Job.RequestID)
	p.risk("before " + what)
	r := p.record(s.Operation.UID)
	if r.calling {
		return nil
	}
	untainted := call.Kind == operation.CallStart && r.intent == call.Request.ID && !r.landed
	r.calling, r.reply = true, nil
	if call.Kind == operation.CallStart {
		r.landed = true
		p.world.judge.starts(call.Request, s.Site.Name)
	}
	p.world.note(p.name, "calls %s", what)
	name := s.name
	s.site.send(p, call, func(reply *operation.Reply) {
		if p.dead {
			return
		}
		p.world.note(p.name, "%s is answered: %v", what, describeReply(reply))
		r.calling, r.reply, r.lastCall = false, reply, p.world.wall()
		if call.Kind == operation.CallStart && reply.Err != nil && drivers.KindOf(reply.Err) == drivers.Unknown {
			r.lost = reply.Err
		}
		if r.forgotten {
			delete(p.calls, s.Operation.UID)
		}
		if untainted && reply.Err != nil && drivers.KindOf(reply.Err) == drivers.Transient {
			r.landed = false
		}
		p.enqueue(item{operations, name}, 0)
	})
	p.risk("after " + what)
	return nil
}

func describeReply(reply *operation.Reply) string {
	switch {
	case reply.Err != nil:
		return fmt.Sprintf("%s %s", drivers.KindOf(reply.Err), reply.Err)
	case reply.Kind == operation.CallStatus:
		return fmt.Sprintf("%s %d%%", reply.Status.Phase, reply.Status.Percent)
	}
	return fmt.Sprintf("job %q found %v", reply.Job.JobID, reply.Found)
}
