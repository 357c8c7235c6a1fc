package conformance

import "stargate.io/stargate/drivers"

// cancelChecks: a job can be ended, and an id voided, at any time and as often as one likes.
var cancelChecks = []check{
	{"cancel before the job begins", (*session).cancelPending},
	{"cancel while the job runs", (*session).cancelRunning},
	{"cancel after the job has ended", (*session).cancelEnded},
	{"cancel of a job that does not exist", (*session).cancelUnknown},
	{"a site that cannot cancel says so", (*session).cancelUnsupported},
	{"a voided id never makes a job", (*session).voidFirst},
	{"voiding an id cancels its job", (*session).voidLater},
	{"a request that lands after its id was voided makes no job", (*session).voidThenLand},
}

func (s *session) cancelPending() {
	s.need("cancelling", s.can.Cancel)
	job := s.mustStart(s.request("cancel-1", 0))
	s.cancelTwice(job)
	done := s.wantPhase(job, drivers.JobCancelled)
	if done.Unchanged {
		s.Errorf("a cancelled job says that the machine had already what was asked for: %+v", done)
	}
	s.wantJobs(1)
}

func (s *session) cancelRunning() {
	s.need("cancelling, Begin and Finish", s.can.Cancel && s.Begin != nil && s.Finish != nil)
	job := s.mustStart(s.request("cancel-2", 0))
	s.Begin()
	s.wantPhase(job, drivers.JobRunning)
	s.cancelTwice(job)
	s.wantPhase(job, drivers.JobCancelled)
	// The machine is free again.
	s.mustStart(s.request("cancel-3", 0))
	s.wantJobs(2)
}

func (s *session) cancelEnded() {
	s.need("cancelling and Finish", s.can.Cancel && s.Finish != nil)
	job := s.mustStart(s.request("cancel-4", 0))
	s.Finish()
	s.wantPhase(job, drivers.JobSucceeded)
	s.cancelTwice(job)
	s.wantPhase(job, drivers.JobSucceeded)
}

func (s *session) cancelTwice(job drivers.JobRef) {
	s.Helper()
	for range 2 {
		if err := s.cancel(job); err != nil {
			s.Errorf("Cancel of %s: %v", job.JobID, err)
		}
	}
}

func (s *session) cancelUnknown() {
	s.need("cancelling", s.can.Cancel)
	known := s.mustStart(s.request("cancel-5", 0))
	err := s.cancel(drivers.JobRef{JobID: known.JobID + "0000"})
	s.wantKind("Cancel of a job that does not exist", err, drivers.NotFound)
}

func (s *session) cancelUnsupported() {
	s.need("a site that cannot cancel", !s.can.Cancel)
	job := s.mustStart(s.request("cancel-6", 0))
	s.wantReason("Cancel", s.cancel(job), drivers.Rejected, drivers.ReasonUnsupported)
	s.wantReason("voiding", s.cancel(drivers.JobRef{RequestID: "cancel-6"}), drivers.Rejected, drivers.ReasonUnsupported)
}

func (s *session) voidFirst() {
	s.need("voiding", s.can.Cancel && s.can.Idempotent)
	for range 2 {
		s.wantKind("voiding an id that made no job", s.cancel(drivers.JobRef{RequestID: "void-1"}), drivers.NotFound)
	}
	if s.Restart != nil {
		s.Restart()
	}
	_, err := s.start(s.request("void-1", 0))
	s.wantReason("Start of a voided id", err, drivers.Rejected, drivers.ReasonVoided)
	if job, found, err := s.find("void-1"); found || err != nil {
		s.Errorf("Find of a voided id: %+v, %v, %v", job, found, err)
	}
	s.wantJobs(0)
	s.mustStart(s.request("void-2", 0))
}

func (s *session) voidLater() {
	s.need("voiding", s.can.Cancel && s.can.Idempotent)
	job := s.mustStart(s.request("void-3", 0))
	for range 2 {
		if err := s.cancel(drivers.JobRef{RequestID: "void-3"}); err != nil {
			s.Errorf("voiding an id that made a job: %v", err)
		}
	}
	s.wantPhase(job, drivers.JobCancelled)
	s.wantJobs(1)
}

func (s *session) voidThenLand() {
	s.need("voiding, Hold and Land", s.can.Cancel && s.can.Idempotent && s.Hold != nil && s.Land != nil)
	s.Hold()
	err := s.startHastily(s.request("void-4", 0))
	s.wantKind("Start of a request that is held back", err, drivers.Unknown)
	s.Mend()
	s.wantKind("voiding its id", s.cancel(drivers.JobRef{RequestID: "void-4"}), drivers.NotFound)
	s.Land()
	if job, found, err := s.find("void-4"); found || err != nil {
		s.Errorf("Find after it landed: %+v, %v, %v", job, found, err)
	}
	s.wantJobs(0)
}
