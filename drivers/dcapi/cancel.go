package dcapi

import (
	"context"
	"net/http"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/dcapi/wire"
)

// Cancel implements drivers.Driver. A job that has ended is cancelled without an error: there is nothing to end.
func (d *Driver) Cancel(ctx context.Context, job drivers.JobRef) error {
	ctx, cancel := d.bound(ctx)
	defer cancel()
	if failed := d.cancel(ctx, job); failed != nil {
		return failed
	}
	return nil
}

func (d *Driver) cancel(ctx context.Context, job drivers.JobRef) *drivers.Error {
	c := call{doing: "cancelling job " + clean(job.JobID, maxQuote), post: true, repeatable: true}
	if job.JobID == "" {
		c.doing = "voiding request " + clean(job.RequestID, maxQuote)
	}
	if !nameable(job) {
		return d.fail(c, drivers.Rejected, "", "that is not a job id or request ID", "", nil)
	}
	capabilities, failed := d.capabilities(ctx)
	if failed != nil {
		return failed
	}
	if !capabilities.Cancel || job.JobID == "" && !capabilities.Idempotent {
		return d.fail(c, drivers.Rejected, drivers.ReasonUnsupported,
			"the site speaks "+capabilities.Version+" and cannot do that", "wait for the job to end, or end it at the site", nil)
	}
	if job.JobID == "" {
		return d.void(ctx, c, job.RequestID)
	}
	return d.end(ctx, c, job)
}

// nameable tells whether what is to be cancelled can be named in a request.
func nameable(job drivers.JobRef) bool {
	if job.JobID == "" {
		return requestIDs.MatchString(job.RequestID)
	}
	return checkJobID(job.JobID) == nil
}

// end asks for a job to be ended.
func (d *Driver) end(ctx context.Context, c call, job drivers.JobRef) *drivers.Error {
	c.build = func() (*http.Request, error) { return wire.NewCancelJobRequest(d.base, job.JobID) }
	_, failed := repeat(ctx, d, c, func(a answer) (struct{}, error) {
		var said wire.Job
		err := a.read(&said, false)
		if err == nil {
			_, err = statusOf(said, job, a.secrets)
		}
		return struct{}{}, err
	})
	if failed != nil && failed.Kind == drivers.NotFound && failed.Reason == ReasonVersionChanged {
		return d.changed(c, failed)
	}
	return failed
}

// void makes sure that a request ID makes no job from now on. NotFound says that it has made none.
func (d *Driver) void(ctx context.Context, c call, requestID string) *drivers.Error {
	if _, known := d.sent.keyless(requestID); known {
		return d.neverAgain(c) // the site would void what it has never heard of
	}
	c.build = func() (*http.Request, error) {
		return wire.NewVoidRequestRequest(d.base, &wire.VoidRequestParams{RequestID: requestID})
	}
	_, failed := repeat(ctx, d, c, func(a answer) (struct{}, error) {
		var said wire.Job
		err := a.read(&said, false)
		if err == nil {
			_, err = madeFrom(said, requestID)
		}
		return struct{}{}, err
	})
	switch {
	case failed == nil:
		return nil
	case failed.Reason == ReasonVersionChanged && failed.Kind == drivers.NotFound:
		// Not the site's word that the ID is voided.
		return d.changed(c, failed)
	case failed.Kind == drivers.NotFound:
		d.sent.forget(requestID)
	}
	return failed
}
