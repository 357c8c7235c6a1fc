package site_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"stargate.io/stargate/drivers/conformance"
	"stargate.io/stargate/drivers/dcapi"
	"stargate.io/stargate/drivers/dcapi/wire"
	"stargate.io/stargate/simulator"
	"stargate.io/stargate/simulator/site"
)

// syncs is how long the driver waits for an answer: forty jobs are put on disk one after the other, and the disk may be busy.
const syncs = 3 * time.Second

// datacenter is a site over machines, behind real HTTP and faults, that can be restarted and taken off the network.
type datacenter struct {
	*testing.T
	machines simulator.Machines
	park     *park // the machines, where they are one
	dir      string
	folder   string // the simulator's, where there is one
	site     atomic.Pointer[site.Site]
	faults   *faults
	net      *conformance.Network
	driver   *dcapi.Driver
	gate     chan struct{} // of what is held back
}

func newDatacenter(t *testing.T) *datacenter {
	t.Helper()
	park := newPark()
	d := newDatacenterOf(t, park)
	d.park = park
	return d
}

func newDatacenterOf(t *testing.T, machines simulator.Machines) *datacenter {
	t.Helper()
	d := &datacenter{T: t, machines: machines, dir: t.TempDir()}
	d.open()
	d.faults = &faults{to: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.site.Load().ServeHTTP(w, r) })}
	d.net = conformance.Serve(t, d.faults)
	driver, err := dcapi.New(dcapi.Config{
		Endpoint: d.net.URL(), Name: "dc-simulator/simulator", Timeout: syncs, Backoff: time.Millisecond,
		Limits: dcapi.Limits{RequestsPerSecond: 1e6},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.driver = driver
	t.Cleanup(func() {
		driver.Close()
		d.land()
		d.close()
		d.net.Close()
	})
	return d
}

func (d *datacenter) open() {
	d.Helper()
	opened, err := site.Open(site.Config{Folder: d.dir, Machines: d.machines, Patience: 60 * time.Millisecond})
	if err != nil {
		d.Fatal(err)
	}
	d.site.Store(opened)
}

func (d *datacenter) close() {
	d.Helper()
	if err := d.site.Load().Close(); err != nil {
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
	d.faults.mend()
	d.net.Appear()
}

// eventually waits for something to be so, on a machine that may have much else to do.
func (d *datacenter) eventually(what string, so func() bool) {
	d.Helper()
	deadline := time.Now().Add(6 * conformance.Patience)
	for !so() {
		if time.Now().After(deadline) {
			d.Fatalf("it is not so in time: %s", what)
		}
	}
}

// job asks the site itself, past the faults.
func (d *datacenter) job(id string) wire.Job {
	d.Helper()
	answer := httptest.NewRecorder()
	d.site.Load().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/jobs/"+id, nil))
	var job wire.Job
	if err := json.Unmarshal(answer.Body.Bytes(), &job); err != nil || answer.Code != http.StatusOK {
		d.Fatalf("asking for job %s: %d %s", id, answer.Code, answer.Body)
	}
	return job
}

func (d *datacenter) live() []string {
	var ids []string
	for _, job := range d.site.Load().Record() {
		if job.Live {
			ids = append(ids, job.JobID)
		}
	}
	return ids
}

func (d *datacenter) begin() {
	d.Helper()
	for _, id := range d.live() {
		d.park.begin(id)
		d.eventually("job "+id+" runs", func() bool { return d.job(id).Phase != wire.PhasePending })
	}
}

func (d *datacenter) finish() {
	d.Helper()
	live := d.live()
	for _, id := range live {
		d.park.finish(id)
	}
	d.eventually("no job is live", func() bool { return len(d.live()) == 0 })
}

// hold keeps back what could change something; land delivers it, and waits until all of it has landed.
func (d *datacenter) hold() {
	d.faults.set(func() { d.faults.hold = make(chan struct{}); d.gate = d.faults.hold })
}

func (d *datacenter) land() {
	if d.gate != nil {
		closeOnce(d.gate)
	}
	d.faults.set(func() { d.faults.hold = nil })
	d.faults.late.Wait()
}

func (d *datacenter) record() []conformance.Job {
	var jobs []conformance.Job
	for _, job := range d.site.Load().Record() {
		jobs = append(jobs, conformance.Job{JobID: job.JobID, RequestID: job.RequestID, Server: job.Server})
	}
	return jobs
}

func (d *datacenter) conformance() conformance.Site {
	return conformance.Site{
		Driver: d.driver, Record: d.record, Begin: d.begin, Finish: d.finish,
		LoseReplies: func(n int) {
			if n == 0 {
				n = -1 // without end
			}
			d.faults.set(func() { d.faults.lose = n })
		},
		HangReplies: func() { d.faults.set(func() { d.faults.hang = make(chan struct{}) }) },
		Duplicate:   func() { d.faults.set(func() { d.faults.twice = true }) },
		Hold:        d.hold, Land: d.land,
		// An empty body is one, too.
		Garbage:     func(body []byte) { d.faults.set(func() { d.faults.garbage = append([]byte{}, body...) }) },
		Unreachable: d.vanish, Mend: d.mend, Restart: d.restart,
	}
}

func TestConformance(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Site {
		t.Helper()
		return newDatacenter(t).conformance()
	})
}
