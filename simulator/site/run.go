package site

import (
	"context"
	"errors"
	"time"

	"stargate.io/stargate/simulator"
)

// again is how soon an end that could not be written down is tried again: the disk may be full for a while.
const again = time.Second

// launch has a live job done. The caller holds the lock.
func (s *Site) launch(j *entry) {
	ctx, giveUp := context.WithCancelCause(s.closing)
	j.giveUp = giveUp
	if j.cancelled { // before the simulator was started again
		giveUp(simulator.ErrCancelled)
	}
	job := *j.job
	s.runs.Go(func() {
		defer giveUp(nil)
		result, err := s.do(ctx, j, job)
		s.finish(j, result, err, context.Cause(ctx))
	})
}

// do a job. A machine that somebody has for a moment, its management controller or its recovery, is waited for: the job
// was accepted, and may be half done. One whose end could not be kept is done again until it is, or its machine would be
// held by it for ever.
func (s *Site) do(ctx context.Context, j *entry, job simulator.Job) (simulator.Result, error) {
	patience := time.NewTimer(s.config.Patience)
	defer patience.Stop()
	retry := time.NewTicker(s.config.Patience / 60)
	defer retry.Stop()
	for {
		result, err := s.config.Machines.Do(ctx, job, func(p simulator.Progress) { s.progress(j, p) })
		if errors.Is(err, simulator.ErrUnkept) {
			s.log.Error("a job is done again", "job", j.id, "error", err)
			s.waits(j, err.Error())
			select {
			case <-retry.C:
				continue
			case <-s.closing.Done():
				return result, err
			}
		}
		var refused *simulator.Refused
		if !errors.As(err, &refused) || refused.Reason != simulator.ReasonServerBusy {
			return result, err
		}
		s.waits(j, refused.Message)
		select {
		case <-retry.C:
		case <-patience.C:
			return result, err
		case <-ctx.Done():
			return result, err
		}
	}
}

// waits notes for what a job waits.
func (s *Site) waits(j *entry, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.waits = message
}

// progress notes how far a job is. That it has begun is kept, so that a restart does not say otherwise; how far, is not.
func (s *Site) progress(j *entry, p simulator.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.end != nil {
		return
	}
	j.progress, j.waits = p, ""
	if !j.began {
		if err := s.write(event{Kind: began, JobID: j.id}); err != nil {
			s.log.Error("that a job has begun is not on record", "job", j.id, "error", err)
		}
	}
}

// finish writes down how a job ended, as soon as that can be. Until then the job is live.
func (s *Site) finish(j *entry, result simulator.Result, err, cause error) {
	retry := time.NewTicker(again)
	defer retry.Stop()
	for {
		written := s.writeEnd(j, result, err, cause)
		if written == nil {
			return
		}
		s.log.Error("the end of a job is not on record; it is tried again", "job", j.id, "error", written)
		select {
		case <-retry.C:
		case <-s.closing.Done():
			return // it is done again, which Machines tells from its id
		}
	}
}

func (s *Site) writeEnd(j *entry, result simulator.Result, err, cause error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	end, over := decideEnd(j, result, err, cause)
	if !over {
		return nil
	}
	return s.write(event{Kind: ended, JobID: j.id, Outcome: &end})
}
