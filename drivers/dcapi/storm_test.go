package dcapi_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/drivers"
	"stargate.io/stargate/drivers/conformance"
)

// TestStorm sends forty requests through everything at once that can go wrong on the way, from several seeds, as a
// caller would: at version 2 until there is a job, at version 1 until the outcome is known or in doubt. The record
// says that no id made two jobs, and that every job that was given was made.
func TestStorm(t *testing.T) {
	for _, api := range []string{site.V1, site.V2} {
		for seed := range uint64(8) {
			t.Run(fmt.Sprint(api, " seed ", seed), func(t *testing.T) { storm(t, api, seed) })
		}
	}
}

func storm(t *testing.T, api string, seed uint64) {
	t.Helper()
	d := newDatacenter(t, site.Config{API: api})
	if _, err := d.driver.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, fault := range []site.Fault{
		{Kind: site.LoseReply}, {Kind: site.Refuse}, {Kind: site.Status, Status: 500, Act: true}, {Kind: site.Status, Status: 502},
		{Kind: site.Garbage, Sort: site.WrongID, Act: true}, {Kind: site.Garbage, Sort: site.HTML, Act: true},
		{Kind: site.Status, Status: 503, RetryAfter: "0"}, {Kind: site.Garbage, Sort: site.EmptyJobID, Act: true},
	} {
		fault.Probability, fault.Seed = 0.08, seed*100+uint64(i)
		d.fault(fault)
	}
	if api == site.V2 {
		d.fault(site.Fault{Kind: site.Duplicate, Probability: 0.3, Seed: seed})
	}
	var all sync.WaitGroup
	given := make([]drivers.JobRef, 40)
	for i := range given {
		all.Go(func() { given[i] = d.insist(t.Context(), conformance.Repave(fmt.Sprint("u-", i), i)) })
	}
	all.Wait()
	judge(t, d.dc.Load().Record(), given, api == site.V2)
}

// insist is a caller: it goes on while that is safe, and gives the job, or none where it had to stop.
func (d *datacenter) insist(ctx context.Context, request drivers.Request) drivers.JobRef {
	for range 100 {
		job, err := d.driver.Start(ctx, request)
		if err == nil {
			return job
		}
		switch drivers.KindOf(err) {
		case drivers.Unknown:
			found, ok, err := d.driver.Find(ctx, request.ID)
			if ok {
				return found
			}
			if drivers.KindOf(err) == drivers.Unknown && err != nil {
				return drivers.JobRef{} // parked
			}
		case drivers.Transient:
		default:
			d.Errorf("%s: %v", request.ID, err)
			return drivers.JobRef{}
		}
	}
	d.Errorf("%s: a hundred tries were not enough", request.ID)
	return drivers.JobRef{}
}

func judge(t *testing.T, record []site.Event, given []drivers.JobRef, all bool) {
	t.Helper()
	made, servers := map[string]bool{}, map[string]int{}
	for _, event := range record {
		if event.Kind == site.Accepted {
			made[event.JobID] = true
			if servers[event.ServerID]++; servers[event.ServerID] > 1 {
				t.Errorf("server %s got %d jobs", event.ServerID, servers[event.ServerID])
			}
		}
	}
	for i, job := range given {
		if job.JobID == "" && all || job.JobID != "" && !made[job.JobID] {
			t.Errorf("request %d was given job %q, which is not on record", i, job.JobID)
		}
	}
}
