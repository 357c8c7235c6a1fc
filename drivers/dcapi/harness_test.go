package dcapi_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/drivers/conformance"
	"stargate.io/stargate/drivers/dcapi"
)

// repaveTime of a pretended site; its clock stands still but where a test moves it.
const repaveTime = 1000 * time.Hour

// datacenter is a pretended site behind real HTTP, that can be restarted and taken off the network.
type datacenter struct {
	*testing.T
	config site.Config
	dir    string
	clock  *site.ManualClock
	dc     atomic.Pointer[site.Site]
	net    *conformance.Network
	driver *dcapi.Driver
}

func newDatacenter(t *testing.T, config site.Config) *datacenter {
	t.Helper()
	d := &datacenter{T: t, dir: t.TempDir(), clock: site.NewManualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))}
	d.config = config
	d.config.Clock, d.config.Duration = d.clock, repaveTime
	d.open()
	d.net = conformance.Serve(t, d)
	driver, err := dcapi.New(dcapi.Config{
		Endpoint: d.net.URL(), Name: "dc-west/west", Timeout: time.Second, Backoff: time.Millisecond,
		Limits: dcapi.Limits{RequestsPerSecond: 1e6},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.driver = driver
	t.Cleanup(func() {
		driver.Close()
		d.close()
		d.net.Close()
	})
	return d
}

// ServeHTTP serves with the site that runs now.
func (d *datacenter) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.dc.Load().ServeHTTP(w, r) }

func (d *datacenter) open() {
	d.Helper()
	dc, err := site.Open(d.config, d.dir)
	if err != nil {
		d.Fatal(err)
	}
	d.dc.Store(dc)
}

func (d *datacenter) close() {
	d.Helper()
	if err := d.dc.Load().Close(); err != nil {
		d.Error(err)
	}
}

func (d *datacenter) restart() {
	d.Helper()
	d.close()
	d.open()
}

// vanish takes the site off the network; what connections there were are gone.
func (d *datacenter) vanish() {
	d.net.Vanish()
	d.driver.Close()
}

// mend takes all faults away, and brings the site back to its address if it had vanished.
func (d *datacenter) mend() {
	d.dc.Load().ClearFaults()
	d.net.Appear()
}

func (d *datacenter) fault(fault site.Fault) {
	d.Helper()
	if _, err := d.dc.Load().AddFault(fault); err != nil {
		d.Fatal(err)
	}
}

func (d *datacenter) accepted() []conformance.Job {
	var jobs []conformance.Job
	for _, event := range d.dc.Load().Record() {
		if event.Kind == site.Accepted {
			jobs = append(jobs, conformance.Job{JobID: event.JobID, RequestID: event.RequestID, Server: event.ServerID})
		}
	}
	return jobs
}

func (d *datacenter) conformance() conformance.Site {
	return conformance.Site{
		Driver: d.driver,
		Record: d.accepted,
		Begin:  func() { d.clock.Advance(repaveTime / 40) },
		Finish: func() { d.clock.Advance(2 * repaveTime) },
		LoseReplies: func(n int) {
			d.fault(site.Fault{Kind: site.LoseReply, Method: http.MethodPost, Count: n})
		},
		HangReplies: func() { d.fault(site.Fault{Kind: site.HangReply}) },
		Duplicate:   func() { d.fault(site.Fault{Kind: site.Duplicate, Method: http.MethodPost}) },
		Hold: func() {
			d.fault(site.Fault{Kind: site.Late, Method: http.MethodPost, Delay: site.Duration(time.Second)})
		},
		Land: func() {
			d.mend()
			d.clock.Advance(time.Second)
			d.dc.Load().WaitLate()
		},
		Garbage: func(body []byte) {
			d.fault(site.Fault{Kind: site.Garbage, Sort: site.Verbatim, Body: body, Act: true})
		},
		Unreachable: d.vanish,
		Mend:        d.mend,
		Restart:     d.restart,
	}
}

func TestConformance(t *testing.T) {
	for _, api := range []string{site.V1, site.V2} {
		t.Run(api, func(t *testing.T) {
			conformance.Run(t, func(t *testing.T) conformance.Site {
				t.Helper()
				return newDatacenter(t, site.Config{API: api}).conformance()
			})
		})
	}
}
