package dcapi

import (
	"context"
	"fmt"
	"net/http"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/dcapi/wire"
)

// Start implements drivers.Driver. At a site without idempotency it sends a request ID once in the life of the
// Driver: a second call gives the first one's job, or Unknown.
func (d *Driver) Start(ctx context.Context, request drivers.Request) (drivers.JobRef, error) {
	ctx, cancel := d.bound(ctx)
	defer cancel()
	c := call{
		doing: fmt.Sprintf("starting %s of server %s (request %s)", request.Action, clean(request.Server.Name, maxQuote), clean(request.ID, maxQuote)),
		post:  true,
	}
	if err := checkRequest(request); err != nil {
		return drivers.JobRef{}, d.fail(c, drivers.Rejected, "", "the request cannot be sent", "report this as a bug", err)
	}
	if image := request.Image; image != nil {
		c.documents = [][]byte{image.UserData, image.NetworkData, image.MetaData}
	}
	capabilities, failed := d.capabilities(ctx)
	if failed != nil {
		if d.sent.doubtful(request.ID) {
			failed = stillInDoubt(failed)
		}
		return drivers.JobRef{}, failed
	}
	if earlier, known := d.sent.keyless(request.ID); known {
		return d.again(c, earlier)
	}
	var ref drivers.JobRef
	if capabilities.Idempotent {
		ref, failed = d.startIdempotent(ctx, c, request, capabilities)
	} else {
		ref, failed = d.startOnce(ctx, c, request, capabilities)
	}
	if failed != nil {
		return drivers.JobRef{}, failed
	}
	return ref, nil
}

// again answers a second call with an ID that the site was not told: with its job where that is known.
func (d *Driver) again(c call, earlier sending) (drivers.JobRef, error) {
	if earlier.doubtful() {
		return drivers.JobRef{}, d.neverAgain(c)
	}
	return earlier.job, nil
}

// neverAgain is the error for what may not be sent a second time.
func (d *Driver) neverAgain(c call) *drivers.Error {
	return d.fail(c, drivers.Unknown, drivers.ReasonUnsupported,
		"an earlier try may have landed, and the site cannot tell",
		"find out at the site, then say so with: stargate resolve operation", nil)
}

// notOffered refuses an action that the site does not have; nil where it does.
func (d *Driver) notOffered(c call, action drivers.Action, capabilities drivers.Capabilities) *drivers.Error {
	if capabilities.Offers(action) {
		return nil
	}
	return d.fail(c, drivers.Rejected, drivers.ReasonUnsupported,
		fmt.Sprintf("the site speaks %s and does not offer %s", capabilities.Version, action), "do it by hand, or have the site upgraded", nil)
}

// startIdempotent sends the request under its ID, again where that may help.
func (d *Driver) startIdempotent(ctx context.Context, c call, request drivers.Request, capabilities drivers.Capabilities) (drivers.JobRef, *drivers.Error) {
	c.repeatable = true
	c.build = func() (*http.Request, error) {
		return wire.NewStartOperationRequest(d.base, &wire.StartOperationParams{IdempotencyKey: &request.ID}, operationOf(request))
	}
	var ref drivers.JobRef
	var inDoubt bool
	failed := d.notOffered(c, request.Action, capabilities)
	if failed == nil {
		ref, failed, inDoubt = tries(ctx, d, c, func(a answer) (drivers.JobRef, error) { return readAccepted(a, request.ID, true) })
	}
	if failed == nil {
		d.sent.forget(request.ID)
		return ref, nil
	}
	if failed.Kind == drivers.NotFound {
		failed = d.changed(c, failed)
	}
	if inDoubt || d.sent.doubtful(request.ID) {
		failed = d.settle(ctx, request.ID, failed)
	}
	if failed.Kind == drivers.Unknown {
		d.sent.claim(request.ID, false)
	} else {
		d.sent.forget(request.ID)
	}
	return drivers.JobRef{}, failed
}

// settle looks into the failure of a request of which an earlier try got no answer, and which may therefore land
// yet. A refusal stands once the ID is voided: from then on nothing can land. (The site had just said that the ID
// has made no job, for it would have been answered with it; so voiding ends nothing that was accepted before.)
func (d *Driver) settle(ctx context.Context, requestID string, failed *drivers.Error) *drivers.Error {
	switch {
	case failed.Reason == drivers.ReasonVoided:
		return failed
	case failed.Kind == drivers.Rejected && failed.Reason != ReasonRequestReused:
		if voided := d.cancel(ctx, drivers.JobRef{RequestID: requestID}); voided != nil && voided.Kind == drivers.NotFound {
			return failed
		}
	}
	return stillInDoubt(failed)
}

// startOnce sends the request to a site that makes a job each time. Whatever comes of it, this Driver never sends
// it again, unless it certainly did not land.
func (d *Driver) startOnce(ctx context.Context, c call, request drivers.Request, capabilities drivers.Capabilities) (drivers.JobRef, *drivers.Error) {
	var ref drivers.JobRef
	if !d.sent.claim(request.ID, true) { // another call sends it now, or an earlier one was in doubt
		return drivers.JobRef{}, d.neverAgain(c)
	}
	failed := d.notOffered(c, request.Action, capabilities)
	if failed == nil {
		c.fresh = true
		c.build = func() (*http.Request, error) { return d.onceRequest(request, capabilities) }
		lenient := capabilities.Version == version1.Version
		ref, failed = repeat(ctx, d, c, func(a answer) (drivers.JobRef, error) { return readAccepted(a, request.ID, !lenient) })
	}
	switch {
	case failed == nil:
		d.sent.landed(ref)
		return ref, nil
	case failed.Kind == drivers.Unknown:
		return drivers.JobRef{}, failed
	}
	d.sent.forget(request.ID)
	if failed.Kind == drivers.NotFound {
		failed = d.changed(c, failed)
	}
	return drivers.JobRef{}, failed
}

// onceRequest builds the request for a site without idempotency. A version 1 site gets no Idempotency-Key: it would
// ignore it, and net/http would take it for leave to send the request again.
func (d *Driver) onceRequest(request drivers.Request, capabilities drivers.Capabilities) (*http.Request, error) {
	if capabilities.Version == version1.Version {
		return wire.NewRepaveRequest(d.base, &wire.RepaveParams{}, repaveOf(request))
	}
	return wire.NewStartOperationRequest(d.base, &wire.StartOperationParams{IdempotencyKey: &request.ID}, operationOf(request))
}

// readAccepted reads the answer to a request for a job.
func readAccepted(a answer, requestID string, strict bool) (drivers.JobRef, error) {
	var said wire.JobAccepted
	if err := a.read(&said, !strict); err != nil {
		return drivers.JobRef{}, err
	}
	return refOf(said, requestID, strict)
}

// readFound reads the answer of Find; the JobID is empty where there is no job.
func readFound(a answer, requestID string) (drivers.JobRef, error) {
	var said wire.JobList
	if err := a.read(&said, false); err != nil {
		return drivers.JobRef{}, err
	}
	if err := checkRequestID(said.RequestID, requestID, true); err != nil {
		return drivers.JobRef{}, err
	}
	switch {
	case said.Jobs == nil:
		return drivers.JobRef{}, fmt.Errorf("the answer has no list of jobs")
	case len(said.Jobs) == 0:
		return drivers.JobRef{RequestID: requestID}, nil
	case len(said.Jobs) > 1:
		return drivers.JobRef{}, fmt.Errorf("the request made %d jobs, and the site promised one", len(said.Jobs))
	}
	return madeFrom(said.Jobs[0], requestID)
}

// madeFrom gives the job that a request made, where it says so.
func madeFrom(said wire.Job, requestID string) (drivers.JobRef, error) {
	if err := checkJobID(said.JobID); err != nil {
		return drivers.JobRef{}, err
	}
	if err := checkRequestID(said.RequestID, requestID, true); err != nil {
		return drivers.JobRef{}, err
	}
	return drivers.JobRef{RequestID: requestID, JobID: said.JobID}, nil
}
