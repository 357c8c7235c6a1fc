package operation

import (
	"time"

	"stargate.io/stargate/api/v1alpha1"
)

// PollPace is how long after a poll the next one is due, for an attempt of that age. One that began
// in the future, because the clock was set back since, is paced as if it were that old.
func PollPace(age time.Duration) time.Duration {
	return clamp(age.Abs()/10, 250*time.Millisecond, 15*time.Second)
}

// RetryPace is how long after a call that did not land the next one is due.
func RetryPace(age time.Duration) time.Duration {
	return clamp(age.Abs()/4, 500*time.Millisecond, time.Minute)
}

// RetryDelay is how long after the n-th attempt failed the next one is due.
func RetryDelay(n int32) time.Duration {
	if n > 6 {
		n = 6
	}
	return clamp(5*time.Second<<uint(max(n-1, 0)), 5*time.Second, 2*time.Minute)
}

// StopGrace is how long beyond its time-out a job is seen out before it is given up.
func StopGrace(timeout time.Duration) time.Duration {
	return clamp(timeout, 10*time.Second, 30*time.Minute)
}

// nextPoll is when a job may be asked for again.
func nextPoll(s *Snapshot, attempt *v1alpha1.Attempt) time.Time {
	if s.LastCall.IsZero() {
		return time.Time{}
	}
	return soon(s, s.LastCall, PollPace(s.age(attempt)))
}

// nextStart is when a call that did not land may be made again.
func nextStart(s *Snapshot, attempt *v1alpha1.Attempt) time.Time {
	if s.LastCall.IsZero() || len(s.Operation.Status.Holds) == 0 {
		return time.Time{}
	}
	return soon(s, s.LastCall, RetryPace(s.Now.Sub(attempt.StartedAt.Time)))
}

// soon adds a pace to a time; a clock that was set back since cannot stretch it.
func soon(s *Snapshot, since time.Time, pace time.Duration) time.Time {
	if since.After(s.Now) {
		return time.Time{}
	}
	return since.Add(pace)
}

func clamp(d, low, high time.Duration) time.Duration {
	return min(max(d, low), high)
}
