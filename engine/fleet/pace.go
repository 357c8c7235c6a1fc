package fleet

import (
	"hash/fnv"
	"strconv"
	"time"

	"stargate.io/stargate/api/v1alpha1"
)

const (
	// DefaultInterval is how often a ref is looked at where spec.interval does not say.
	DefaultInterval = time.Minute
	// firstBackOff follows the first failure; each further one doubles it.
	firstBackOff = time.Second
	// longestBackOff is never exceeded, and leastLongest is granted to the shortest interval.
	longestBackOff, leastLongest = 10 * time.Minute, time.Minute
	// debounce lets several changes of a fleet's objects be put back at once.
	debounce = time.Second
	// slow is how long a look takes before status tells of it.
	slow = time.Second
)

// share is a number from 0 to 1 that looks like chance and is none: the same for the same Fleet and
// the same number.
func share(fleet *v1alpha1.Fleet, number int64) float64 {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(string(fleet.UID) + "/" + strconv.FormatInt(number, 10)))
	return float64(sum.Sum32()%1000) / 1000
}

func stretched(d time.Duration, by, share float64) time.Duration {
	return d + time.Duration(by*share*float64(d))
}

// retrying tells whether a look has begun since something failed.
func retrying(s *Snapshot, failure *Failure) bool { return s.Known.Looked.After(failure.At) }

// interval between two looks: up to a twentieth longer than asked for, so that fleets do not come in step.
func interval(s *Snapshot) time.Duration {
	d := DefaultInterval
	if s.Fleet.Spec.Interval != nil && s.Fleet.Spec.Interval.Duration > 0 {
		d = s.Fleet.Spec.Interval.Duration
	}
	return stretched(d, 0.05, share(s.Fleet, s.Known.Looked.Unix()))
}

// backOff after a number of failures in a row.
func backOff(s *Snapshot, failures int32) time.Duration {
	longest := min(max(interval(s), leastLongest), longestBackOff)
	d := longest
	if failures = max(failures, 1); failures < 20 {
		d = min(firstBackOff<<(failures-1), longest)
	}
	return stretched(d, 0.2, share(s.Fleet, int64(failures)))
}

// retryAt is when what failed is tried again.
func retryAt(s *Snapshot, failure *Failure) time.Time {
	return failure.At.Add(max(backOff(s, failure.Number), failure.After))
}

// lookAt is when the ref is looked at next; in the past where that is due.
func lookAt(s *Snapshot) time.Time {
	known := &s.Known
	if known.Looked.IsZero() || known.LookedFor != wishOf(s.Fleet) || known.Noticed.After(known.Looked) {
		return s.Now
	}
	if failure := failureOf(s); failure != nil && !retrying(s, failure) {
		return retryAt(s, failure)
	}
	return known.Looked.Add(interval(s))
}

// wishOf is what in a Fleet asks for a look.
func wishOf(fleet *v1alpha1.Fleet) Wish {
	return Wish{Generation: fleet.Generation, RequestedAt: fleet.Annotations[v1alpha1.AnnotationRequestedAt]}
}

// IsSuspended tells whether a Fleet does nothing now.
func IsSuspended(fleet *v1alpha1.Fleet, now time.Time) bool {
	return fleet.Spec.Suspend && (fleet.Spec.SuspendUntil == nil || fleet.Spec.SuspendUntil.After(now))
}
