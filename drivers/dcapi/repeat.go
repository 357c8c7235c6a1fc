package dcapi

import (
	"context"
	"errors"

	"github.com/cenkalti/backoff/v5"

	"stargate.io/stargate/drivers"
)

// maxTries of one call within one method; the caller comes back in its own time after that.
const maxTries = 3

// repeat sends a call, as tries does, where what is in doubt needs no more looking into.
// Errors: those of the last try, but Unknown where an earlier one may have landed; not so NotFound, which at every
// call made through here is true whatever became of that one.
func repeat[T any](ctx context.Context, d *Driver, c call, read func(answer) (T, error)) (T, *drivers.Error) {
	value, failed, inDoubt := tries(ctx, d, c, read)
	if failed != nil && inDoubt && failed.Kind != drivers.NotFound {
		failed = stillInDoubt(failed)
	}
	return value, failed
}

// tries sends a call until it is answered as it should be, up to maxTries times where it may be sent again.
// read gives the value of a 2xx answer; its error makes the answer garbage. inDoubt tells whether any try's outcome
// was Unknown, so that it may land yet whatever the last one was told.
func tries[T any](ctx context.Context, d *Driver, c call, read func(answer) (T, error)) (value T, last *drivers.Error, inDoubt bool) {
	policy := backoff.NewExponentialBackOff()
	policy.InitialInterval, policy.MaxInterval = d.config.Backoff, 10*d.config.Backoff
	most := uint(1)
	if c.repeatable {
		most = maxTries
	}
	value, err := backoff.Retry(ctx, func() (T, error) {
		value, failed := once(ctx, d, c, read)
		if last = failed; failed == nil {
			return value, nil
		}
		inDoubt = inDoubt || failed.Kind == drivers.Unknown
		if !worthAnotherTry(failed) {
			return value, backoff.Permanent(failed)
		}
		return value, failed
	}, backoff.WithBackOff(policy), backoff.WithMaxTries(most), backoff.WithMaxElapsedTime(0))
	if err != nil && last == nil {
		last = d.fail(c, drivers.Transient, drivers.ReasonUnreachable, "the deadline had passed before anything was sent", "", ctx.Err())
	}
	return value, last, inDoubt
}

func once[T any](ctx context.Context, d *Driver, c call, read func(answer) (T, error)) (T, *drivers.Error) {
	var none T
	a, failed := d.exchange(ctx, c)
	if failed == nil {
		failed = d.verdict(c, a)
	}
	if failed != nil {
		return none, failed
	}
	value, err := read(a)
	if err != nil {
		return none, d.garbage(c, err)
	}
	return value, nil
}

// worthAnotherTry tells whether the same call may fare better in a moment. Where the site says when to come back,
// or a person has to mend something, it may not.
func worthAnotherTry(failed *drivers.Error) bool {
	if failed.RetryAfter > 0 || failed.Kind == drivers.Rejected || failed.Kind == drivers.NotFound {
		return false
	}
	switch failed.Reason {
	case drivers.ReasonUnreachable, drivers.ReasonGarbage, ReasonSiteError:
		return !errors.Is(failed.Err, context.Canceled)
	}
	return false
}

// stillInDoubt makes an outcome Unknown whatever the last try was told: an earlier one may yet land.
func stillInDoubt(failed *drivers.Error) *drivers.Error {
	if failed.Kind == drivers.Unknown {
		return failed
	}
	doubtful := *failed
	doubtful.Kind = drivers.Unknown
	doubtful.Message += "; an earlier try got no answer and may have landed"
	return &doubtful
}
