package operation_test

import (
	"fmt"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/operation"
)

// pretend is a site that keeps its promises, of the first version or with request ids. It judges:
// what it accepted is what happened.
type pretend struct {
	first  bool
	jobs   map[string]*pretendJob
	voided map[string]bool
	// flying are requests that were sent and have neither landed nor been answered.
	flying []drivers.Request
	wrong  []string
}

type pretendJob struct {
	id      string
	request string
	phase   drivers.Phase
	// untouched: it ended before it changed the machine.
	untouched bool
}

func newPretend(first bool) *pretend {
	return &pretend{first: first, jobs: map[string]*pretendJob{}, voided: map[string]bool{}}
}

func fail(kind drivers.Kind, reason string) error {
	return &drivers.Error{Kind: kind, Reason: reason, Message: "the site: " + reason}
}

// start lands a request.
func (p *pretend) start(request drivers.Request) (drivers.JobRef, error) {
	ref := drivers.JobRef{RequestID: request.ID}
	if p.voided[request.ID] {
		return ref, fail(drivers.Rejected, drivers.ReasonVoided)
	}
	if job := p.made(request.ID); job != nil {
		if p.first {
			p.wrong = append(p.wrong, "two jobs for "+request.ID)
		}
		return drivers.JobRef{RequestID: request.ID, JobID: job.id}, nil
	}
	for _, job := range p.jobs {
		if !job.phase.Terminal() {
			p.wrong = append(p.wrong, fmt.Sprintf("%s was accepted while %s runs", request.ID, job.request))
		}
	}
	job := &pretendJob{id: fmt.Sprintf("job-%d", len(p.jobs)+1), request: request.ID, phase: drivers.JobRunning}
	p.jobs[job.id] = job
	ref.JobID = job.id
	return ref, nil
}

func (p *pretend) made(request string) *pretendJob {
	for _, job := range p.jobs {
		if job.request == request {
			return job
		}
	}
	return nil
}

// answer a call as the site would.
func (p *pretend) answer(call operation.Call) *operation.Reply {
	reply := &operation.Reply{Kind: call.Kind, RequestID: call.Job.RequestID}
	switch call.Kind {
	case operation.CallStart:
		reply.Job, reply.Err = p.start(call.Request)
	case operation.CallFind:
		p.find(reply)
	case operation.CallStatus:
		job := p.jobs[call.Job.JobID]
		if job == nil {
			reply.Err = fail(drivers.NotFound, "unknown job")
			return reply
		}
		reply.Status = drivers.JobStatus{Phase: job.phase, Percent: 50, Untouched: job.untouched}
	case operation.CallCancel:
		reply.Err = p.cancel(call.Job)
	}
	return reply
}

func (p *pretend) find(reply *operation.Reply) {
	if p.first {
		reply.Err = fail(drivers.Unknown, drivers.ReasonUnsupported)
		return
	}
	if job := p.made(reply.RequestID); job != nil {
		reply.Found, reply.Job = true, drivers.JobRef{RequestID: reply.RequestID, JobID: job.id}
	}
}

func (p *pretend) cancel(ref drivers.JobRef) error {
	if p.first {
		return fail(drivers.Rejected, drivers.ReasonUnsupported)
	}
	job := p.jobs[ref.JobID]
	if ref.JobID == "" {
		job = p.made(ref.RequestID)
		p.voided[ref.RequestID] = p.voided[ref.RequestID] || job == nil
	}
	if job == nil {
		return fail(drivers.NotFound, "unknown job")
	}
	if !job.phase.Terminal() {
		job.phase = drivers.JobCancelled
	}
	return nil
}

// live gives the job that runs, nil where none does.
func (p *pretend) live() *pretendJob {
	for _, job := range p.jobs {
		if !job.phase.Terminal() {
			return job
		}
	}
	return nil
}
