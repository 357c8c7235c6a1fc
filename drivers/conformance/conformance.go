// Package conformance is the suite that every driver must pass: what the contract in package drivers promises,
// asked of a real driver and a site that misbehaves on demand.
//
// In: a function that makes a fresh Site (a driver, and hooks into the site behind it). Out: subtests. The judge is the
// site's own record of what it did, never what the driver says. A hook that a site does not have skips what needs
// it; what a driver does not claim in its Capabilities is held to the weaker promise instead, which is never weaker
// than this: no request ID makes two jobs, and nothing is called a failure that may have happened.
//
// It must never know of a particular driver, and never wait without a deadline.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"stargate.io/stargate/drivers"
)

// Patience is how long the suite lets one call to a driver take. A site's driver should be made with timeouts well
// below it.
const Patience = 5 * time.Second

// Site is a driver and the datacenter behind it. Driver and Record are required; a hook that is nil skips the tests
// that need it. Hooks return once what they say is so.
type Site struct {
	Driver drivers.Driver
	// Record gives every job that the site ever accepted, in order, from the site's own books.
	Record func() []Job
	// Request gives a request that the site accepts: a repave of the n-th of its machines (n from 0 to 59). Nil
	// takes Repave.
	Request func(id string, n int) drivers.Request

	// Begin lets every pending job start its work. Jobs otherwise stay as they are.
	Begin func()
	// Finish lets every live job come to its end.
	Finish func()

	// LoseReplies: every request that could change something is carried out, and the connection then closed
	// without an answer, n times; 0 is until Mend.
	LoseReplies func(n int)
	// HangReplies: every request is carried out and never answered, until Mend.
	HangReplies func()
	// Duplicate: every request that could change something is delivered twice, until Mend.
	Duplicate func()
	// Hold keeps back every request that could change something, until Land; its client is not answered before.
	Hold func()
	// Land delivers what Hold kept back, and holds nothing more.
	Land func()
	// Garbage: every request is carried out and answered with this body and a status of success, until Mend.
	Garbage func(body []byte)
	// Unreachable: nothing listens, until Mend.
	Unreachable func()
	// Mend takes all faults away.
	Mend func()
	// Restart ends the site's process and starts it again over what it had stored.
	Restart func()
}

// Job is an entry in a site's record.
type Job struct {
	JobID string
	// RequestID is empty where the site was not told.
	RequestID string
	Server    string
}

// Run holds a driver to the contract. makeSite makes a site with nothing on record, and has its resources released
// by t.Cleanup.
func Run(t *testing.T, makeSite func(t *testing.T) Site) {
	t.Helper()
	for _, part := range [][]check{onceChecks, cancelChecks, replyChecks, serverChecks, deadlineChecks} {
		for _, c := range part {
			t.Run(c.name, func(t *testing.T) {
				ignored := goleak.IgnoreCurrent()
				// Registered first, so that it runs after the site has been taken down.
				t.Cleanup(func() { goleak.VerifyNone(t, ignored) })
				s := &session{T: t, Site: makeSite(t)}
				s.learn()
				c.run(s)
			})
		}
	}
	t.Run("garbage", func(t *testing.T) { runGarbage(t, makeSite) })
}

// check is one promise.
type check struct {
	name string
	run  func(*session)
}

// session is one check of one site.
type session struct {
	*testing.T
	Site
	can drivers.Capabilities
}

// learn asks the site what it can do; without a Prober nothing is promised.
func (s *session) learn() {
	s.Helper()
	prober, ok := s.Driver.(drivers.Prober)
	if !ok {
		s.can = drivers.Capabilities{Actions: []drivers.Action{drivers.Repave}}
		return
	}
	ctx, cancel := s.patience()
	defer cancel()
	capabilities, err := prober.Probe(ctx)
	if err != nil {
		s.Fatalf("Probe of a healthy site: %v", err)
	}
	if capabilities.Version == "" || !capabilities.Offers(drivers.Repave) {
		s.Fatalf("Probe gives no version, or no repave: %+v", capabilities)
	}
	s.can = capabilities
}

// need skips a check for which the site has not the hooks or the driver not the claims.
func (s *session) need(what string, have bool) {
	s.Helper()
	if !have {
		s.Skipf("does not apply: %s", what)
	}
}

func (s *session) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.Context(), Patience)
}

func (s *session) request(id string, n int) drivers.Request {
	if s.Request != nil {
		return s.Request(id, n)
	}
	return Repave(id, n)
}

// Repave is a repave of the n-th machine.
func Repave(id string, n int) drivers.Request {
	return drivers.Request{
		ID:     id,
		Action: drivers.Repave,
		Server: drivers.Identity{
			Name: fmt.Sprintf("server-%03d", n), UID: fmt.Sprintf("uid-%03d", n),
			MAC: fmt.Sprintf("aa:bb:cc:dd:ee:%02x", n), IPv4: fmt.Sprintf("10.0.0.%d", n+1),
			BMC: fmt.Sprintf("10.1.0.%d", n+1),
		},
		Image: &drivers.Image{
			OSVersion: "24.04", URL: "http://images.example/24.04.qcow2", Format: "qcow2",
			Checksum: "sha256:" + strings.Repeat("0", 64), UserData: []byte("#cloud-config\n"), ProfileHash: "hash-1",
		},
	}
}

func (s *session) start(request drivers.Request) (drivers.JobRef, error) {
	s.Helper()
	ctx, cancel := s.patience()
	defer cancel()
	job, err := s.Driver.Start(ctx, request)
	s.typed("Start", err)
	if err == nil && (job.JobID == "" || job.RequestID != request.ID) {
		s.Errorf("Start of %s gives the reference %+v", request.ID, job)
	}
	if err != nil && job != (drivers.JobRef{}) {
		s.Errorf("Start gives the reference %+v beside an error", job)
	}
	return job, err
}

func (s *session) mustStart(request drivers.Request) drivers.JobRef {
	s.Helper()
	job, err := s.start(request)
	if err != nil {
		s.Fatalf("Start of %s: %v", request.ID, err)
	}
	return job
}

func (s *session) find(id string) (drivers.JobRef, bool, error) {
	s.Helper()
	ctx, cancel := s.patience()
	defer cancel()
	job, found, err := s.Driver.Find(ctx, id)
	s.typed("Find", err)
	if found && (err != nil || job.JobID == "") {
		s.Errorf("Find says that there is a job, with %+v and %v", job, err)
	}
	return job, found, err
}

func (s *session) status(job drivers.JobRef) (drivers.JobStatus, error) {
	s.Helper()
	ctx, cancel := s.patience()
	defer cancel()
	status, err := s.Driver.Status(ctx, job)
	s.typed("Status", err)
	if err == nil && (status.Percent < 0 || status.Percent > 100) {
		s.Errorf("Status gives %d percent", status.Percent)
	}
	return status, err
}

func (s *session) cancel(job drivers.JobRef) error {
	s.Helper()
	ctx, cancel := s.patience()
	defer cancel()
	err := s.Driver.Cancel(ctx, job)
	s.typed("Cancel", err)
	return err
}

// typed holds every error to the contract's type and kinds, and every message to being there.
func (s *session) typed(call string, err error) {
	s.Helper()
	if err == nil {
		return
	}
	var failed *drivers.Error
	if !errors.As(err, &failed) {
		s.Errorf("%s gives an error that is no *drivers.Error: %T: %v", call, err, err)
		return
	}
	switch failed.Kind {
	case drivers.Transient, drivers.Rejected, drivers.NotFound, drivers.Unknown:
	default:
		s.Errorf("%s gives an error of kind %q", call, failed.Kind)
	}
	if failed.Message == "" || failed.RetryAfter < 0 {
		s.Errorf("%s gives an error without a message, or with a time to come back in the past: %+v", call, failed)
	}
}

// wantKind fails unless an error is of one of the kinds.
func (s *session) wantKind(what string, err error, kinds ...drivers.Kind) {
	s.Helper()
	for _, kind := range kinds {
		if err != nil && drivers.KindOf(err) == kind {
			return
		}
	}
	s.Errorf("%s: got %v (%s), want an error of kind %v", what, err, kindOf(err), kinds)
}

func (s *session) wantReason(what string, err error, kind drivers.Kind, reason string) {
	s.Helper()
	if err == nil || drivers.KindOf(err) != kind || drivers.ReasonOf(err) != reason {
		s.Errorf("%s: got %v (%s %s), want %s %s", what, err, kindOf(err), drivers.ReasonOf(err), kind, reason)
	}
}

func kindOf(err error) drivers.Kind {
	if err == nil {
		return "no error"
	}
	return drivers.KindOf(err)
}

// wantJobs fails unless that many jobs are on the site's record.
func (s *session) wantJobs(want int) []Job {
	s.Helper()
	record := s.Record()
	if len(record) != want {
		s.Errorf("the site's record has %d jobs, want %d: %+v", len(record), want, record)
	}
	return record
}

// wantPhase waits for a job to be in a phase.
func (s *session) wantPhase(job drivers.JobRef, want drivers.Phase) drivers.JobStatus {
	s.Helper()
	deadline := time.Now().Add(Patience)
	for {
		status, err := s.status(job)
		if err == nil && status.Phase == want {
			return status
		}
		if time.Now().After(deadline) || err != nil || status.Phase.Terminal() {
			s.Fatalf("job %s is %+v (%v), want it %s", job.JobID, status, err, want)
		}
		if want.Terminal() && s.Finish != nil {
			s.Finish() // a cancellation, too, takes its time
		}
	}
}
