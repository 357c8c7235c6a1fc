package conformance

import (
	"fmt"
	"sync"

	"stargate.io/stargate/drivers"
)

// onceChecks: one request ID makes one job, which can be found and followed.
var onceChecks = []check{
	{"a job runs from start to end", (*session).lifecycle},
	{"one id sent twice makes one job", (*session).sameIDTwice},
	{"one id sent by fifty at once makes one job", (*session).sameIDAtOnce},
	{"one id with another content makes no second job", (*session).sameIDOtherContent},
	{"many ids make a job each", (*session).manyIDs},
	{"find tells of a job, and of none", (*session).findTells},
	{"a job that does not exist is not found", (*session).noSuchJob},
	{"an end is an end", (*session).endIsEnd},
	{"a request that is not whole is refused", (*session).malformed},
}

func (s *session) lifecycle() {
	s.need("Begin and Finish", s.Begin != nil && s.Finish != nil)
	job := s.mustStart(s.request("life-1", 0))
	status, err := s.status(job)
	if err != nil || status.Phase.Terminal() {
		s.Fatalf("a job that was just accepted: %+v, %v", status, err)
	}
	s.Begin()
	s.wantPhase(job, drivers.JobRunning)
	s.Finish()
	done := s.wantPhase(job, drivers.JobSucceeded)
	if done.Unchanged || done.Untouched {
		s.Errorf("a repave that ran says that it changed nothing: %+v", done)
	}
	if s.can.ReportsApplied && (done.Facts == nil || done.Facts.ProfileHash != s.request("life-1", 0).Image.ProfileHash) {
		s.Errorf("the site reports what a machine last got, and says %+v", done.Facts)
	}
	s.wantJobs(1)
}

func (s *session) sameIDTwice() {
	first := s.mustStart(s.request("twice-1", 0))
	second, err := s.start(s.request("twice-1", 0))
	if s.can.Idempotent && (err != nil || second != first) {
		s.Errorf("the second call gives %+v, %v; want %+v", second, err, first)
	}
	if err == nil && second != first {
		s.Errorf("one id gives two references: %+v and %+v", first, second)
	}
	s.wantJobs(1)
	if s.can.Idempotent && s.Finish != nil {
		s.Finish()
		if third, err := s.start(s.request("twice-1", 0)); err != nil || third != first {
			s.Errorf("a call after the job's end gives %+v, %v; want %+v", third, err, first)
		}
		s.wantJobs(1)
	}
}

func (s *session) sameIDAtOnce() {
	const callers = 50
	jobs, errs := make([]drivers.JobRef, callers), make([]error, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() { jobs[i], errs[i] = s.start(s.request("at-once-1", 0)) })
	}
	all.Wait()
	record := s.wantJobs(1)
	if len(record) == 0 {
		return
	}
	for i := range callers {
		switch {
		case errs[i] == nil && jobs[i].JobID != record[0].JobID:
			s.Errorf("caller %d got job %s, and the site made %s", i, jobs[i].JobID, record[0].JobID)
		case errs[i] != nil && s.can.Idempotent:
			s.Errorf("caller %d: %v", i, errs[i])
		case errs[i] != nil:
			s.wantKind(fmt.Sprintf("caller %d, not knowing what became of the first", i), errs[i], drivers.Unknown)
		}
	}
}

func (s *session) sameIDOtherContent() {
	s.need("idempotency", s.can.Idempotent)
	first := s.mustStart(s.request("content-1", 0))
	other := s.request("content-1", 0)
	image := *other.Image
	image.ProfileHash, image.OSVersion = "hash-2", "26.04"
	other.Image = &image
	if second, err := s.start(other); err == nil && second != first {
		s.Errorf("the same id with another content gives %+v beside %+v", second, first)
	} else if err != nil {
		s.wantKind("the same id with another content", err, drivers.Rejected, drivers.Unknown)
	}
	s.wantJobs(1)
}

func (s *session) manyIDs() {
	const many = 40
	jobs := make([]drivers.JobRef, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() { jobs[i], _ = s.start(s.request(fmt.Sprintf("many-%d", i), i)) })
	}
	all.Wait()
	seen := map[string]bool{}
	for _, job := range jobs {
		if job.JobID == "" || seen[job.JobID] {
			s.Errorf("job id %q is empty or given twice", job.JobID)
		}
		seen[job.JobID] = true
	}
	for _, job := range s.wantJobs(many) {
		if !seen[job.JobID] {
			s.Errorf("the site made %s, which nobody was given", job.JobID)
		}
	}
}

func (s *session) findTells() {
	if !s.can.Idempotent {
		_, _, err := s.find("never-sent")
		s.wantKind("Find at a site that cannot tell", err, drivers.Unknown)
		return
	}
	if job, found, err := s.find("never-sent"); found || err != nil {
		s.Errorf("Find of an id that was never sent: %+v, %v, %v", job, found, err)
	}
	want := s.mustStart(s.request("find-1", 0))
	if job, found, err := s.find("find-1"); !found || err != nil || job != want {
		s.Errorf("Find: %+v, %v, %v; want %+v", job, found, err, want)
	}
	if s.Finish != nil {
		s.Finish()
		if job, found, err := s.find("find-1"); !found || err != nil || job != want {
			s.Errorf("Find after the end: %+v, %v, %v; want %+v", job, found, err, want)
		}
	}
}

func (s *session) noSuchJob() {
	known := s.mustStart(s.request("known-1", 0))
	_, err := s.status(drivers.JobRef{RequestID: "unknown-1", JobID: known.JobID + "0000"})
	s.wantKind("Status of a job that does not exist", err, drivers.NotFound)
}

func (s *session) endIsEnd() {
	s.need("Finish", s.Finish != nil)
	job := s.mustStart(s.request("end-1", 0))
	s.Finish()
	s.wantPhase(job, drivers.JobSucceeded)
	s.Finish()
	s.wantPhase(job, drivers.JobSucceeded)
}

func (s *session) malformed() {
	for name, spoil := range map[string]func(*drivers.Request){
		"no id":               func(r *drivers.Request) { r.ID = "" },
		"an id with newlines": func(r *drivers.Request) { r.ID = "a\r\nX-Evil: 1" },
		"no server":           func(r *drivers.Request) { r.Server.Name = "" },
		"no image":            func(r *drivers.Request) { r.Image = nil },
		"an unknown action":   func(r *drivers.Request) { r.Action = "dance" },
	} {
		request := s.request("malformed-1", 0)
		spoil(&request)
		_, err := s.start(request)
		s.wantKind("Start with "+name, err, drivers.Rejected)
	}
	s.wantJobs(0)
}
