package site

import (
	"container/heap"
	"time"

	"stargate.io/stargate/drivers/dcapi/wire"
)

// state is what the record adds up to. Only apply changes it; nothing in it is stored but the record.
type state struct {
	lastSeq   int64
	lastAt    time.Time
	jobs      map[string]*job
	byRequest map[string]*job
	voided    map[string]bool
	machines  map[string]*Machine
	byMAC     map[string]string // any MAC of a machine → serverId
	live      map[string]int    // serverId → live jobs
	liveJobs  int
	due       dueHeap
}

// job is one accepted job.
type job struct {
	id        string
	requestID string
	serverID  string
	action    wire.Action
	spec      JobSpec

	accepted  time.Time
	began     time.Time
	cancelled time.Time
	ended     time.Time
	phase     wire.Phase
	end       outcome
	facts     *wire.Facts
	heapIndex int
}

// outcome is how and when a job will end if nothing intervenes.
type outcome struct {
	at      time.Time
	never   bool
	phase   wire.Phase
	stage   string
	message string
	touched bool
}

func newState() *state {
	return &state{
		jobs:      map[string]*job{},
		byRequest: map[string]*job{},
		voided:    map[string]bool{},
		machines:  map[string]*Machine{},
		byMAC:     map[string]string{},
		live:      map[string]int{},
	}
}

// apply folds one event in. It is used for what happens now and for what is read back from disk, so that both
// give the same state.
func (s *state) apply(event Event) {
	s.lastSeq, s.lastAt = event.Seq, event.At
	switch event.Kind {
	case Accepted:
		s.accept(event)
	case Began:
		j := s.jobs[event.JobID]
		j.began, j.phase = event.At, wire.PhaseRunning
		s.reschedule(j)
	case Cancelled:
		j := s.jobs[event.JobID]
		j.cancelled = event.At
		s.reschedule(j)
	case Ended:
		s.finish(s.jobs[event.JobID], event)
	case Voided:
		s.voided[event.RequestID] = true
	case Registered:
		s.forget(event.Machine.ServerID)
		s.learn(event.Machine.Server, *event.Machine)
	case Forgotten:
		s.forget(event.ServerID)
	case Received, Refused, Replayed:
		// Told for the reader of the record; they change nothing.
	}
}

func (s *state) accept(event Event) {
	j := &job{
		id: event.JobID, requestID: event.RequestID, serverID: event.ServerID, action: wire.Action(event.Action),
		spec: *event.Job, accepted: event.At, phase: wire.PhasePending,
	}
	s.jobs[j.id] = j
	if j.requestID != "" {
		s.byRequest[j.requestID] = j
	}
	if _, known := s.machines[j.serverID]; !known {
		s.learn(j.spec.Server, Machine{Server: j.spec.Server, Power: "on"})
	}
	s.live[j.serverID]++
	s.liveJobs++
	j.end = j.plan()
	heap.Push(&s.due, j)
}

// learn keeps a machine and everything that it can be recognised by.
func (s *state) learn(identity wire.Server, machine Machine) {
	s.machines[identity.ServerID] = &machine
	for _, mac := range []string{identity.MAC, identity.BootMAC} {
		if mac != "" {
			s.byMAC[mac] = identity.ServerID
		}
	}
}

func (s *state) forget(serverID string) {
	delete(s.machines, serverID)
	for mac, owner := range s.byMAC {
		if owner == serverID {
			delete(s.byMAC, mac)
		}
	}
}

func (s *state) reschedule(j *job) {
	j.end = j.plan()
	heap.Fix(&s.due, j.heapIndex)
}

// finish ends a job, and leaves on the machine what it did.
func (s *state) finish(j *job, event Event) {
	j.ended, j.phase = event.At, wire.Phase(event.Phase)
	heap.Remove(&s.due, j.heapIndex)
	s.liveJobs--
	if s.live[j.serverID]--; s.live[j.serverID] == 0 {
		delete(s.live, j.serverID)
	}
	if machine := s.machines[j.serverID]; machine != nil {
		machine.after(j)
		j.facts = factsOf(*machine, j)
	}
}

// after leaves on a machine what an ended job did to it.
func (machine *Machine) after(j *job) {
	switch {
	case j.spec.Unchanged:
	case j.action == wire.ActionRepave && j.end.touched:
		machine.Repaves++
		machine.OSVersion, machine.ProfileHash = "", ""
		if j.phase == wire.PhaseSucceeded {
			machine.OSVersion, machine.ProfileHash, machine.Power = j.spec.OSVersion, j.spec.ProfileHash, "on"
		}
	case j.phase == wire.PhaseSucceeded && j.action == wire.ActionPowerOff:
		machine.Power = "off"
	case j.phase == wire.PhaseSucceeded && (j.action == wire.ActionPowerOn || j.action == wire.ActionReboot):
		machine.Power = "on"
	}
}

// dueHeap orders live jobs by what happens next to each.
type dueHeap []*job

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, k int) bool {
	_, a, aNever := h[i].next()
	_, b, bNever := h[k].next()
	if aNever != bNever {
		return bNever
	}
	return a.Before(b)
}
func (h dueHeap) Swap(i, k int) {
	h[i], h[k] = h[k], h[i]
	h[i].heapIndex, h[k].heapIndex = i, k
}
func (h *dueHeap) Push(x any) {
	j := x.(*job) // only jobs are pushed
	j.heapIndex = len(*h)
	*h = append(*h, j)
}
func (h *dueHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
