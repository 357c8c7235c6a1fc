package conformance

import (
	"context"
	"time"

	"stargate.io/stargate/drivers"
)

// haste is a deadline that a site which does not answer will miss.
const haste = 400 * time.Millisecond

// replyChecks: what is lost, late, doubled or interrupted makes no second job, and is never called a failure.
var replyChecks = []check{
	{"one lost reply", (*session).oneLostReply},
	{"all replies lost", (*session).allLostReplies},
	{"replies that never come", (*session).hangingReplies},
	{"a request that lands after its time-out", (*session).landsLate},
	{"every request delivered twice", (*session).duplicated},
	{"a restart in mid-job", (*session).restarted},
	{"a site that cannot be reached", (*session).unreachable},
}

func (s *session) startHastily(request drivers.Request) error {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), haste)
	defer cancel()
	_, err := s.Driver.Start(ctx, request)
	s.typed("Start", err)
	return err
}

func (s *session) oneLostReply() {
	s.need("LoseReplies", s.LoseReplies != nil)
	s.LoseReplies(1)
	job, err := s.start(s.request("lost-1", 0))
	if err != nil {
		s.wantKind("Start with its reply lost", err, drivers.Unknown)
	}
	record := s.wantJobs(1)
	if err == nil && len(record) == 1 && record[0].JobID != job.JobID {
		s.Errorf("Start gives %s, and the site made %s", job.JobID, record[0].JobID)
	}
}

func (s *session) allLostReplies() {
	s.need("LoseReplies and Mend", s.LoseReplies != nil && s.Mend != nil)
	s.LoseReplies(0)
	_, err := s.start(s.request("lost-2", 0))
	s.wantKind("Start with all replies lost", err, drivers.Unknown)
	s.Mend()
	s.recover("lost-2")
}

func (s *session) hangingReplies() {
	s.need("HangReplies and Mend", s.HangReplies != nil && s.Mend != nil)
	s.HangReplies()
	err := s.startHastily(s.request("hang-1", 0))
	s.wantKind("Start with a reply that never comes", err, drivers.Unknown)
	s.Mend()
	s.recover("hang-1")
}

// recover is what a caller does after Unknown: it asks, and sends again only where that makes no second job.
func (s *session) recover(id string) {
	s.Helper()
	record := s.wantJobs(1)
	job, found, err := s.find(id)
	if s.can.Idempotent {
		if err != nil || !found || len(record) == 1 && job.JobID != record[0].JobID {
			s.Errorf("Find after an Unknown outcome: %+v, %v, %v; on record is %+v", job, found, err, record)
		}
	} else {
		s.wantKind("Find at a site that cannot tell", err, drivers.Unknown)
	}
	again, err := s.start(s.request(id, 0))
	if s.can.Idempotent && (err != nil || again != job) {
		s.Errorf("Start again: %+v, %v; want %+v", again, err, job)
	}
	if !s.can.Idempotent {
		s.wantKind("Start again at a site that cannot tell", err, drivers.Unknown)
	}
	s.wantJobs(1)
}

func (s *session) landsLate() {
	s.need("Hold, Land and Mend", s.Hold != nil && s.Land != nil && s.Mend != nil)
	s.Hold()
	err := s.startHastily(s.request("late-1", 0))
	s.wantKind("Start of a request that is held back", err, drivers.Unknown)
	s.wantJobs(0)
	s.Mend()
	job, err := s.start(s.request("late-1", 0))
	if s.can.Idempotent && err != nil {
		s.Errorf("Start again: %v", err)
	}
	if !s.can.Idempotent {
		s.wantKind("Start again at a site that cannot tell", err, drivers.Unknown)
	}
	s.Land()
	record := s.wantJobs(1)
	if err == nil && len(record) == 1 && record[0].JobID != job.JobID {
		s.Errorf("Start gives %s, and the site made %s", job.JobID, record[0].JobID)
	}
}

func (s *session) duplicated() {
	s.need("Duplicate and idempotency", s.Duplicate != nil && s.can.Idempotent)
	s.Duplicate()
	job := s.mustStart(s.request("double-1", 0))
	s.wantJobs(1)
	if s.can.Cancel {
		if err := s.cancel(job); err != nil {
			s.Errorf("Cancel: %v", err)
		}
		s.wantPhase(job, drivers.JobCancelled)
	}
	s.wantJobs(1)
}

func (s *session) restarted() {
	s.need("Restart, Begin and Finish", s.Restart != nil && s.Begin != nil && s.Finish != nil)
	job := s.mustStart(s.request("restart-1", 0))
	s.Restart()
	if s.can.Idempotent {
		if found, ok, err := s.find("restart-1"); err != nil || !ok || found != job {
			s.Errorf("Find after a restart: %+v, %v, %v; want %+v", found, ok, err, job)
		}
		if again, err := s.start(s.request("restart-1", 0)); err != nil || again != job {
			s.Errorf("Start after a restart: %+v, %v; want %+v", again, err, job)
		}
	}
	s.Begin()
	s.wantPhase(job, drivers.JobRunning)
	s.Restart()
	s.wantPhase(job, drivers.JobRunning)
	s.Finish()
	s.wantPhase(job, drivers.JobSucceeded)
	s.Restart()
	s.wantPhase(job, drivers.JobSucceeded)
	s.wantJobs(1)
}

func (s *session) unreachable() {
	s.need("Unreachable and Mend", s.Unreachable != nil && s.Mend != nil)
	job := s.mustStart(s.request("gone-1", 0))
	s.Unreachable()
	_, err := s.start(s.request("gone-2", 1))
	s.wantKind("Start", err, drivers.Transient)
	_, err = s.status(job)
	s.wantKind("Status", err, drivers.Transient)
	if _, _, err = s.find("gone-1"); s.can.Idempotent {
		s.wantKind("Find", err, drivers.Transient)
	}
	if s.can.Cancel {
		s.wantKind("Cancel", s.cancel(job), drivers.Transient)
	}
	s.Mend()
	s.wantJobs(1)
	if _, err := s.status(job); err != nil {
		s.Errorf("Status after the site is back: %v", err)
	}
	s.mustStart(s.request("gone-2", 1))
	s.wantJobs(2)
}
