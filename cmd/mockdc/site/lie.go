package site

import (
	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/drivers/dcapi/wire/serve"
)

// AddFault puts a fault in force and gives it back with its ID.
// Errors: its kind or values are not known.
func (s *Site) AddFault(fault Fault) (Fault, error) {
	if err := fault.check(); err != nil {
		return Fault{}, err
	}
	return s.faults.add(fault), nil
}

// ClearFaults takes all faults away.
func (s *Site) ClearFaults() { s.faults.remove(0) }

// Faults gives those in force, with how often each has struck.
func (s *Site) Faults() []Fault { return s.faults.list() }

// lieAbout gives the truth about a job unless a fault says otherwise. The caller holds the lock.
func (s *Site) lieAbout(view wire.Job, j *job) (wire.Job, *serve.Refusal) {
	what := subject{method: "GET", path: "/jobs/" + j.id, action: string(j.action), server: j.serverID}
	fault, told := s.faults.take(Lie, what)
	switch {
	case told && fault.Sort == LieUnknown:
		return wire.Job{}, serve.NotFound("job %q is not known here", j.id)
	case told:
		view.Phase, view.Percent, view.Facts, view.Message = wire.PhaseRunning, view.Percent/2, nil, "running"
	}
	return view, nil
}
