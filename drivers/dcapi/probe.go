package dcapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/dcapi/wire"
)

// freshFor is how long a site is taken to be what it was.
const freshFor = 5 * time.Minute

// Probe implements drivers.Prober: it asks the site for its health and what it can do, and remembers the latter.
// Errors are Transient: nothing was asked for that could land.
func (d *Driver) Probe(ctx context.Context) (drivers.Capabilities, error) {
	ctx, cancel := d.bound(ctx)
	defer cancel()
	capabilities, failed := d.probe(ctx)
	if failed != nil {
		return drivers.Capabilities{}, failed
	}
	return capabilities, nil
}

// capabilities gives what the site can do, from memory where that is fresh. One probe serves all who wait.
func (d *Driver) capabilities(ctx context.Context) (drivers.Capabilities, *drivers.Error) {
	if known, ok := d.remembered(); ok {
		return known, nil
	}
	result := d.probing.DoChan("", func() (any, error) {
		// Not the first caller's own deadline: others wait for this too.
		ctx, cancel := d.bound(context.WithoutCancel(ctx))
		defer cancel()
		capabilities, failed := d.probe(ctx)
		if failed != nil {
			return nil, failed
		}
		return capabilities, nil
	})
	select {
	case done := <-result:
		var failed *drivers.Error
		if errors.As(done.Err, &failed) {
			copied := *failed
			return drivers.Capabilities{}, &copied
		}
		return done.Val.(drivers.Capabilities), nil // by the function above
	case <-ctx.Done():
		return drivers.Capabilities{}, d.fail(probeCall, drivers.Transient, drivers.ReasonUnreachable,
			"the site did not answer in time", "check that it is up and reachable from here", ctx.Err())
	}
}

func (d *Driver) remembered() (drivers.Capabilities, bool) {
	known := d.site.Load()
	if known == nil || time.Since(known.at) > freshFor {
		return drivers.Capabilities{}, false
	}
	return known.capabilities, true
}

// surprised forgets what the site was, because it does not behave like it.
func (d *Driver) surprised() { d.site.Store(nil) }

var probeCall = call{doing: "asking what the site can do", repeatable: true}

func (d *Driver) probe(ctx context.Context) (drivers.Capabilities, *drivers.Error) {
	c := probeCall
	c.build = func() (*http.Request, error) { return wire.NewGetCapabilitiesRequest(d.base) }
	capabilities := version1
	_, failed := repeat(ctx, d, c, func(a answer) (struct{}, error) {
		var said wire.Capabilities
		err := a.read(&said, false)
		if err == nil {
			capabilities, err = capabilitiesOf(said)
		}
		return struct{}{}, err
	})
	if failed != nil && failed.Kind != drivers.NotFound {
		return drivers.Capabilities{}, asTransient(failed)
	}
	// A 404 may come from anything on the way. Only a site that is well makes it a version 1 site.
	if failed := d.askHealth(ctx, capabilities.Version == version1.Version); failed != nil {
		return drivers.Capabilities{}, asTransient(failed)
	}
	capabilities.Actions = slices.Clone(capabilities.Actions)
	d.site.Store(&knownSite{capabilities: capabilities, at: time.Now()})
	return capabilities, nil
}

func (d *Driver) askHealth(ctx context.Context, lenient bool) *drivers.Error {
	c := call{doing: "asking for the site's health", repeatable: true}
	c.build = func() (*http.Request, error) { return wire.NewGetHealthRequest(d.base) }
	_, failed := repeat(ctx, d, c, func(a answer) (struct{}, error) {
		var said wire.Health
		err := a.read(&said, lenient)
		if err == nil && said.Status == "" {
			err = errors.New("it has no status")
		}
		return struct{}{}, err
	})
	return failed
}

// asTransient is for a probe: whatever came of it, nothing landed, and it is worth another try.
func asTransient(failed *drivers.Error) *drivers.Error {
	failed.Kind = drivers.Transient
	return failed
}
