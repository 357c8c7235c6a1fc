package dcapi

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/dcapi/wire"
)

// Driver reaches one site. It implements drivers.Driver and drivers.Prober, is safe for concurrent use, and holds
// connections until Close.
type Driver struct {
	config   Config
	endpoint *url.URL
	base     string
	kept     *http.Transport // connections are kept
	fresh    *http.Transport // one connection a request
	turns    chan struct{}
	pace     *rate.Limiter
	probing  singleflight.Group
	site     atomic.Pointer[knownSite]
	sent     *memory
}

// knownSite is what a site was when it was last asked.
type knownSite struct {
	capabilities drivers.Capabilities
	at           time.Time
}

var (
	_ drivers.Driver = (*Driver)(nil)
	_ drivers.Prober = (*Driver)(nil)
)

// Close gives up the connections that are not in use. Calls under way are not disturbed.
func (d *Driver) Close() {
	d.kept.CloseIdleConnections()
	d.fresh.CloseIdleConnections()
}

// bound gives a context that ends by itself: three requests' time, as Config.Timeout says.
func (d *Driver) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 3*d.config.Timeout)
}

// Find implements drivers.Driver.
func (d *Driver) Find(ctx context.Context, requestID string) (drivers.JobRef, bool, error) {
	ctx, cancel := d.bound(ctx)
	defer cancel()
	c := call{doing: "looking for the job of request " + clean(requestID, maxQuote), repeatable: true}
	if !requestIDs.MatchString(requestID) {
		return drivers.JobRef{}, false, d.fail(c, drivers.Rejected, "", "that is not a request ID", "", nil)
	}
	if earlier, known := d.sent.keyless(requestID); known {
		job, err := d.again(c, earlier)
		return job, err == nil, err
	}
	capabilities, failed := d.capabilities(ctx)
	if failed != nil {
		return drivers.JobRef{}, false, failed
	}
	if !capabilities.Idempotent {
		return drivers.JobRef{}, false, d.cannotTell(c, capabilities)
	}
	c.build = func() (*http.Request, error) {
		return wire.NewFindJobsRequest(d.base, &wire.FindJobsParams{RequestID: requestID})
	}
	found, failed := repeat(ctx, d, c, func(a answer) (drivers.JobRef, error) { return readFound(a, requestID) })
	if failed != nil && failed.Kind == drivers.NotFound {
		return drivers.JobRef{}, false, d.changed(c, failed)
	}
	if failed != nil {
		return drivers.JobRef{}, false, failed
	}
	return found, found.JobID != "", nil
}

func (d *Driver) cannotTell(c call, capabilities drivers.Capabilities) *drivers.Error {
	return d.fail(c, drivers.Unknown, drivers.ReasonUnsupported,
		"the site speaks "+capabilities.Version+" and cannot tell which request made a job",
		"find out at the site, then say so with: stargate resolve operation", nil)
}

// Status implements drivers.Driver.
func (d *Driver) Status(ctx context.Context, job drivers.JobRef) (drivers.JobStatus, error) {
	ctx, cancel := d.bound(ctx)
	defer cancel()
	c := call{doing: "reading job " + clean(job.JobID, maxQuote), repeatable: true}
	if err := checkJobID(job.JobID); err != nil {
		return drivers.JobStatus{}, d.fail(c, drivers.Rejected, "", "that is not a job id", "", err)
	}
	c.build = func() (*http.Request, error) { return wire.NewGetJobRequest(d.base, job.JobID) }
	known, _ := d.remembered()
	lenient := known.Version == "" || known.Version == version1.Version
	status, failed := repeat(ctx, d, c, func(a answer) (drivers.JobStatus, error) {
		var said wire.Job
		if err := a.read(&said, lenient); err != nil {
			return drivers.JobStatus{}, err
		}
		return statusOf(said, job, a.secrets)
	})
	if failed != nil && failed.Reason == ReasonVersionChanged {
		failed = d.jobUnknown(ctx, c, failed)
	}
	if failed != nil {
		return drivers.JobStatus{}, failed
	}
	return status, nil
}

// jobUnknown looks into a 404 that does not say what is not found. A version 1 site says it no better; at another
// it comes from something else, or the site is no longer what it was.
func (d *Driver) jobUnknown(ctx context.Context, c call, failed *drivers.Error) *drivers.Error {
	capabilities, probeFailed := d.capabilities(ctx)
	if probeFailed != nil {
		return probeFailed
	}
	if capabilities.Version != version1.Version {
		return d.changed(c, failed)
	}
	failed.Reason = ""
	return failed
}

// changed is for an answer that a site of the version it spoke before does not give. Nothing landed.
func (d *Driver) changed(c call, failed *drivers.Error) *drivers.Error {
	d.surprised()
	return d.fail(c, drivers.Transient, ReasonVersionChanged,
		"the site does not know a call that it offered before, or something else answered in its place",
		"it is asked again what it can do", failed)
}
