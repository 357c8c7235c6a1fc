package controllers

import (
	"context"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"stargate.io/stargate/drivers"
	"stargate.io/stargate/engine/operation"
)

// slowSite takes one request at a time, and tells when it has it.
type slowSite struct {
	drivers.Driver
	taken, answer chan struct{}
}

// Start implements drivers.Driver.
func (s slowSite) Start(_ context.Context, request drivers.Request) (drivers.JobRef, error) {
	s.taken <- struct{}{}
	<-s.answer
	return drivers.JobRef{RequestID: request.ID, JobID: "job"}, nil
}

// TestStopWithAQueue: more is to be sent than a site takes at once, and the process stops. What
// still waited was not sent, and the intent of that alone may be taken back.
func TestStopWithAQueue(t *testing.T) {
	c := newCalls(clock.RealClock{}, func(types.NamespacedName) {})
	site := slowSite{taken: make(chan struct{}), answer: make(chan struct{})}
	for i := range workersPerSite + 1 {
		uid := types.UID(rune('a' + i))
		c.intend(uid, string(uid)+"-1")
		c.start(context.Background(), types.NamespacedName{Name: string(uid)}, uid, "site", site,
			operation.Call{Kind: operation.CallStart, Request: drivers.Request{ID: string(uid) + "-1"}})
	}
	for range workersPerSite {
		<-site.taken
	}
	ended := c.stop()
	close(site.answer)
	<-ended
	last := types.UID(rune('a' + workersPerSite))
	if unsent := c.unsent(); !slices.Equal(unsent, []types.UID{last}) {
		t.Errorf("%q were not sent, want %q", unsent, last)
	}
	if unfolded := c.unfolded(); len(unfolded) != workersPerSite || slices.Contains(unfolded, last) {
		t.Errorf("%d jobs to be written down, want %d", len(unfolded), workersPerSite)
	}
}
