package conformance

import (
	"context"
	"time"

	"stargate.io/stargate/drivers"
)

// deadlineChecks: no call outlives its context, nor waits for ever without one.
var deadlineChecks = []check{
	{"a context that has ended sends nothing", (*session).endedContext},
	{"a site that never answers", (*session).neverAnswers},
	{"a caller that goes away", (*session).callerGoes},
}

func (s *session) endedContext() {
	job := s.mustStart(s.request("deadline-1", 0))
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	s.eachCall(ctx, job)
	s.wantJobs(1)
}

func (s *session) neverAnswers() {
	s.need("HangReplies", s.HangReplies != nil)
	job := s.mustStart(s.request("deadline-2", 0))
	s.HangReplies()
	ctx, cancel := context.WithTimeout(s.Context(), haste)
	defer cancel()
	s.eachCall(ctx, job)
}

func (s *session) callerGoes() {
	s.need("HangReplies", s.HangReplies != nil)
	job := s.mustStart(s.request("deadline-3", 0))
	s.HangReplies()
	ctx, cancel := context.WithCancel(s.Context())
	stop := time.AfterFunc(haste/4, cancel)
	defer stop.Stop()
	s.eachCall(ctx, job)
}

// eachCall makes each call with a context under which none can come to anything, and holds it to returning in time.
func (s *session) eachCall(ctx context.Context, job drivers.JobRef) {
	s.Helper()
	calls := map[string]func() error{
		"Start": func() error {
			_, err := s.Driver.Start(ctx, s.request("deadline-9", 1))
			if err != nil && drivers.KindOf(err) == drivers.Rejected {
				s.Errorf("Start that was not answered calls itself refused: %v", err)
			}
			return err
		},
		"Find": func() error {
			_, found, err := s.Driver.Find(ctx, "deadline-9")
			if err == nil && !found {
				s.Errorf("Find that was not answered says that there is no job")
			}
			return err
		},
		"Status": func() error { _, err := s.Driver.Status(ctx, job); return err },
		"Cancel": func() error { return s.Driver.Cancel(ctx, job) },
	}
	for name, call := range calls {
		started := time.Now()
		err := call()
		s.typed(name, err)
		if err == nil {
			s.Errorf("%s comes to something without an answer", name)
		}
		if took := time.Since(started); took > haste+Patience/2 {
			s.Errorf("%s took %s after its context had ended", name, took)
		}
	}
}
