package conformance

import "stargate.io/stargate/drivers"

// serverChecks: never the wrong machine, never two jobs on one, never a needless wipe.
var serverChecks = []check{
	{"an identity that is not the machine's is refused", (*session).identity},
	{"a machine has one live job", (*session).busy},
	{"only if needed", (*session).onlyIfNeeded},
	{"an action that is not offered is refused", (*session).notOffered},
	{"every action that is offered runs", (*session).actions},
}

func (s *session) identity() {
	s.need("a site that checks identity, and Finish", s.can.ChecksIdentity && s.Finish != nil)
	s.mustStart(s.request("identity-1", 0))
	s.Finish()
	for name, spoil := range map[string]func(*drivers.Identity){
		"another MAC":           func(i *drivers.Identity) { i.MAC = "aa:bb:cc:dd:ff:ff" },
		"another machine's MAC": func(i *drivers.Identity) { i.Name, i.UID, i.BMC = "server-900", "uid-900", "10.1.9.9" },
		"another BMC":           func(i *drivers.Identity) { i.BMC = "10.1.9.9" },
		"another UID":           func(i *drivers.Identity) { i.UID = "uid-of-another" },
	} {
		request := s.request("identity-2", 0)
		spoil(&request.Server)
		_, err := s.start(request)
		s.wantReason(name, err, drivers.Rejected, drivers.ReasonIdentityMismatch)
	}
	s.wantJobs(1)
}

func (s *session) busy() {
	s.need("idempotency", s.can.Idempotent)
	s.mustStart(s.request("busy-1", 0))
	_, err := s.start(s.request("busy-2", 0))
	s.wantReason("a second job on one machine", err, drivers.Transient, drivers.ReasonBusy)
	s.wantJobs(1)
	s.need("Finish", s.Finish != nil)
	s.Finish()
	s.mustStart(s.request("busy-2", 0))
	s.wantJobs(2)
}

func (s *session) onlyIfNeeded() {
	s.need("a site that reports what was applied, and Finish", s.can.ReportsApplied && s.Finish != nil)
	first := s.request("needed-1", 0)
	first.OnlyIfNeeded = true
	job := s.mustStart(first)
	s.Finish()
	if done := s.wantPhase(job, drivers.JobSucceeded); done.Unchanged {
		s.Errorf("a machine that had nothing is said to be unchanged: %+v", done)
	}
	second := s.request("needed-2", 0)
	second.OnlyIfNeeded = true
	job = s.mustStart(second)
	s.Finish()
	if done := s.wantPhase(job, drivers.JobSucceeded); !done.Unchanged {
		s.Errorf("a machine that had it already was wiped again: %+v", done)
	}
	third := s.request("needed-3", 0)
	job = s.mustStart(third)
	s.Finish()
	if done := s.wantPhase(job, drivers.JobSucceeded); done.Unchanged {
		s.Errorf("a repave that must be done was left out: %+v", done)
	}
}

func (s *session) notOffered() {
	for _, action := range []drivers.Action{drivers.Repave, drivers.Reboot, drivers.PowerOn, drivers.PowerOff, drivers.Inspect, "dance"} {
		if s.can.Offers(action) {
			continue
		}
		request := s.request("offer-1", 0)
		request.Action = action
		_, err := s.start(request)
		s.wantReason(string(action), err, drivers.Rejected, drivers.ReasonUnsupported)
	}
	s.wantJobs(0)
}

func (s *session) actions() {
	s.need("Finish", s.Finish != nil)
	for _, action := range s.can.Actions {
		request := s.request("action-"+string(action), 0)
		if request.Action = action; action != drivers.Repave {
			request.Image = nil
		}
		job := s.mustStart(request)
		s.Finish()
		done := s.wantPhase(job, drivers.JobSucceeded)
		if action == drivers.PowerOff && done.Facts != nil && done.Facts.Power == "on" {
			s.Errorf("a machine that was powered off is said to be on")
		}
	}
	s.wantJobs(len(s.can.Actions))
}
