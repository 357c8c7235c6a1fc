package e2e

import (
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/test/gitserver"
)

// TestCommitRepavesAFleet: a push to a real git server, a notice, and every server gets it wave by wave.
func TestCommitRepavesAFleet(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	first := r.PushWorld("2.0.0", 5)
	r.Start(t)
	r.Create(r.Fleet)
	r.UntilApplied(first)
	r.shows(r.Fleet, status.CurrentStatus)
	if jobs := Events(r.Site, site.Accepted); len(jobs) != 5 {
		t.Fatalf("the first commit made %d jobs: %+v", len(jobs), jobs)
	}

	second := r.PushWorld("2.1.0", 5)
	began := time.Now()
	r.Notify()
	r.Eventually("the first Operation to be dispatched", func() bool { return len(Events(r.Site, site.Accepted)) > 5 }, r.Fleet)
	took := time.Since(began)
	t.Logf("from the notice to the first dispatch: %s", took)
	if took > 2*time.Second {
		t.Errorf("from the notice to the first dispatch it took %s, more than 2 s", took)
	}
	r.shows(r.Fleet, status.InProgressStatus)
	kubectl(t, r.Cluster, "wait", "--for=condition=Ready", "--timeout=60s", "fleet/"+r.Fleet.Name)
	r.UntilApplied(second)
	r.shows(r.Fleet, status.CurrentStatus)
	if jobs := Events(r.Site, site.Accepted); len(jobs) != 10 {
		t.Errorf("two commits made %d jobs", len(jobs))
	}
	for n := 1; n <= 5; n++ {
		server := r.Server(n)
		r.Refresh(server)
		if server.Status.CurrentOS != "2.1.0" {
			t.Errorf("%s runs %q", server.Name, server.Status.CurrentOS)
		}
	}
	r.Applies(2)
	history := r.Fleet.Status.History
	if len(history) != 2 || history[0].Result != v1alpha1.FleetApplied || history[0].Subject != "os 2.1.0" || history[0].Changed != 2 || history[1].Created != 7 {
		t.Errorf("history: %+v", history)
	}
}
