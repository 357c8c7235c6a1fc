package sim

import (
	"fmt"
	"time"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/operation"
)

// latest is how long after it was given up a request may still land.
const latest = 5 * time.Minute

// site is a datacenter of one API version. It protects nobody from doing something twice: what it is
// asked it does, so that the judge sees it.
type site struct {
	world *world
	name  string
	// first: it speaks the first version, which knows no request ids and cannot cancel.
	first bool
	// retry: its Datacenter says onUnknownOutcome: Retry.
	retry bool

	jobs      []*job
	byID      map[string]*job
	byRequest map[string]*job
	voided    map[string]bool
	machines  map[string]*machine

	// down until then, and whether it hangs or refuses while it is. It denies its jobs until denies.
	down, denies time.Duration
	hangs        bool
	// meets is what the next calls meet, nextJob what becomes of the next jobs.
	meets   []string
	nextJob []string
	calls   int
}

// machine as it really is.
type machine struct {
	// os of the last repave that succeeded; broken says that one was ended half-way since.
	os     string
	broken bool
	live   []*job
}

// job at a site.
type job struct {
	id, request, mac string
	server           string
	action           drivers.Action
	os               string
	phase            drivers.Phase
	// end that it will come to; stubborn: it does not listen to a cancellation.
	end       drivers.Phase
	untouched bool
	stubborn  bool
}

func (w *world) addSite(name string, first, retry bool) {
	w.sites[name] = &site{world: w, name: name, first: first, retry: retry, byID: map[string]*job{}, byRequest: map[string]*job{},
		voided: map[string]bool{}, machines: map[string]*machine{}}
}

func failure(kind drivers.Kind, reason string) error {
	return &drivers.Error{Kind: kind, Reason: reason, Message: "site: " + reason}
}

// unanswered is what a driver says where no answer came: of a request that may have landed nothing is
// known, and a question can be asked again.
func unanswered(kind operation.CallKind, reason string) error {
	if kind == operation.CallStart || kind == operation.CallCancel {
		return failure(drivers.Unknown, reason)
	}
	return failure(drivers.Transient, reason)
}

// send carries a call to the site and its answer back, or loses either.
func (s *site) send(p *process, call operation.Call, done func(*operation.Reply)) {
	w := s.world
	s.calls++
	answered := false
	answer := func(reply *operation.Reply) {
		if !answered {
			answered = true
			done(reply)
		}
	}
	give := func(err error) func() {
		return func() {
			answer(&operation.Reply{Kind: call.Kind, RequestID: call.Job.RequestID, Err: err})
		}
	}
	w.after(callTimeout, give(unanswered(call.Kind, "timeout")))
	there, back := w.between(0, 30*time.Millisecond), w.between(0, 30*time.Millisecond)
	land := func() { reply := s.handle(call); w.after(back, func() { answer(reply) }) }
	switch s.meeting(p, call.Kind) {
	case "":
		w.after(there, land)
	case "refused":
		w.after(there, give(failure(drivers.Transient, drivers.ReasonUnreachable)))
	case "hang", "lost request":
	case "lost reply":
		w.after(there, func() { s.handle(call); w.after(back, give(unanswered(call.Kind, "reset"))) })
	case "silence":
		w.after(there, func() { s.handle(call) })
	case "late":
		w.after(callTimeout+w.between(0, latest), func() { s.handle(call) })
	case "twice":
		w.after(there, land)
		w.after(there+w.between(0, time.Minute), func() { s.handle(call) })
	case "garbage":
		w.after(there, func() { s.handle(call); w.after(back, give(unanswered(call.Kind, drivers.ReasonGarbage))) })
	case "rejected":
		w.after(there, func() {
			if s.byRequest[call.Job.RequestID] != nil {
				// What it has accepted it does not refuse.
				land()
				return
			}
			s.voided[call.Job.RequestID] = true
			w.after(back, give(failure(drivers.Rejected, drivers.ReasonIdentityMismatch)))
		})
	}
}

// meeting takes what the next call meets.
func (s *site) meeting(p *process, kind operation.CallKind) string {
	if s.down > s.world.now {
		s.world.note(s.name, "is down for %s", p.name)
		if s.hangs {
			return "hang"
		}
		return "refused"
	}
	if len(s.meets) == 0 {
		return ""
	}
	met := s.meets[0]
	s.meets = s.meets[1:]
	switch {
	case met == "twice" && s.first, met == "rejected" && kind != operation.CallStart:
		return ""
	}
	s.world.fault("%s at %s: %s", kind, s.name, met)
	return met
}

// handle does what a call that has landed asks for.
func (s *site) handle(call operation.Call) *operation.Reply {
	reply := &operation.Reply{Kind: call.Kind, RequestID: call.Job.RequestID}
	switch call.Kind {
	case operation.CallStart:
		reply.Job, reply.Err = s.start(call.Request)
	case operation.CallFind:
		s.find(reply)
	case operation.CallStatus:
		reply.Status, reply.Err = s.status(call.Job.JobID)
	case operation.CallCancel:
		reply.Err = s.cancel(call.Job)
	}
	return reply
}

func (s *site) start(request drivers.Request) (drivers.JobRef, error) {
	ref := drivers.JobRef{RequestID: request.ID}
	switch known := s.byRequest[request.ID]; {
	case s.first && request.Action != drivers.Repave:
		return ref, failure(drivers.Rejected, drivers.ReasonUnsupported)
	case !s.first && s.voided[request.ID]:
		return ref, failure(drivers.Rejected, drivers.ReasonVoided)
	case !s.first && known != nil:
		ref.JobID = known.id
		return ref, nil
	}
	made := s.make(request)
	ref.JobID = made.id
	return ref, nil
}

func (s *site) make(request drivers.Request) *job {
	w := s.world
	made := &job{id: fmt.Sprintf("%s-job-%d", s.name, len(s.jobs)+1), request: request.ID, mac: request.Server.MAC, server: request.Server.UID,
		action: request.Action, phase: drivers.JobRunning, end: drivers.JobSucceeded}
	if request.Image != nil {
		made.os = request.Image.OSVersion
	}
	s.plan(made)
	w.result.Jobs++
	w.note(s.name, "makes %s of %s on %s", made.id, made.request, made.mac)
	w.judge.accepted(s, made)
	s.jobs = append(s.jobs, made)
	s.byID[made.id], s.byRequest[made.request] = made, made
	machine := s.machine(made.mac)
	machine.live = append(machine.live, made)
	if made.end != "" {
		longest := 3 * time.Minute
		if w.options.Undisturbed {
			longest = 3 * time.Second
		}
		w.after(w.between(2*time.Second, longest), func() { s.finish(made, made.end) })
	}
	return made
}

// plan decides what will become of a job.
func (s *site) plan(made *job) {
	if len(s.nextJob) == 0 {
		return
	}
	fate := s.nextJob[0]
	s.nextJob = s.nextJob[1:]
	s.world.fault("%s: %s", made.id, fate)
	switch fate {
	case "fails":
		made.end = drivers.JobFailed
	case "fails untouched":
		made.end, made.untouched = drivers.JobFailed, true
	case "hangs":
		made.end = ""
	case "is stubborn":
		made.stubborn = true
	}
}

func (s *site) machine(mac string) *machine {
	if s.machines[mac] == nil {
		s.machines[mac] = &machine{}
	}
	return s.machines[mac]
}

// finish ends a job, with what that makes of the machine.
func (s *site) finish(ended *job, phase drivers.Phase) {
	if ended.phase.Terminal() {
		return
	}
	ended.phase = phase
	machine := s.machine(ended.mac)
	for i, live := range machine.live {
		if live == ended {
			machine.live = append(machine.live[:i:i], machine.live[i+1:]...)
			break
		}
	}
	if ended.action == drivers.Repave {
		switch {
		case phase == drivers.JobSucceeded:
			machine.os, machine.broken = ended.os, false
		case !ended.untouched:
			machine.broken = true
		}
	}
	s.world.note(s.name, "%s is %s, untouched %v", ended.id, phase, ended.untouched)
}

func (s *site) find(reply *operation.Reply) {
	if s.first {
		reply.Err = failure(drivers.Unknown, drivers.ReasonUnsupported)
		return
	}
	if known := s.byRequest[reply.RequestID]; known != nil {
		reply.Found, reply.Job = true, drivers.JobRef{RequestID: reply.RequestID, JobID: known.id}
	}
}

func (s *site) status(id string) (drivers.JobStatus, error) {
	known := s.byID[id]
	if known == nil || s.denies > s.world.now {
		return drivers.JobStatus{}, failure(drivers.NotFound, "no such job")
	}
	return drivers.JobStatus{Phase: known.phase, Percent: 50, Stage: "install", Untouched: known.untouched && known.phase.Terminal()}, nil
}

func (s *site) cancel(ref drivers.JobRef) error {
	if s.first {
		return failure(drivers.Rejected, drivers.ReasonUnsupported)
	}
	known := s.byID[ref.JobID]
	if ref.JobID == "" {
		if known = s.byRequest[ref.RequestID]; known == nil {
			s.voided[ref.RequestID] = true
			s.world.note(s.name, "voids %s", ref.RequestID)
		}
	}
	if known == nil {
		return failure(drivers.NotFound, "no such job")
	}
	if !known.stubborn && !known.phase.Terminal() {
		s.world.after(s.world.between(0, 20*time.Second), func() { s.finish(known, drivers.JobCancelled) })
	}
	return nil
}
