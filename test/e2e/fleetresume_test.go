package e2e

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/test/gitserver"
)

// halfway is the Fleet as a controller leaves it that dies with the intent written and nothing sent.
func (r *FleetRoom) halfway(commit string) {
	r.Helper()
	r.Refresh(r.Fleet)
	r.Fleet.Status.Applying = &v1alpha1.ApplyingRevision{Revision: "main@sha1:" + commit, Commit: commit, Number: r.Fleet.Status.Applies + 1, Since: metav1.Now()}
	if err := r.Client.Status().Update(context.Background(), r.Fleet); err != nil {
		r.Fatal(err)
	}
}

// TestApplyIsMadeWhole by the controller that comes after one that died: that very commit, though the
// ref has moved to one that is refused.
func TestApplyIsMadeWhole(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	first := r.PushWorld("2.0.0", 2)
	stop := r.Start(t)
	r.Create(r.Fleet)
	r.UntilApplied(first)
	stop()
	second := r.PushWorld("2.1.0", 2)
	r.halfway(second)
	bad := r.Push("typo", map[string]string{r.at("profile.yaml"): "kind: Nonsense\n"})
	r.Start(t)
	r.Until(r.Fleet, "at "+second, func() bool { return strings.HasSuffix(r.Fleet.Status.LastAppliedRevision, second) })
	r.UntilReady(v1alpha1.ReasonCommitInvalid, bad[:7], second[:7]+" stays applied")
	r.Applies(2)
	r.Eventually("both servers to have it", func() bool { return len(Events(r.Site, site.Accepted)) == 4 }, r.Fleet)
	mended := r.PushWorld("2.1.0", 2)
	r.Notify()
	r.UntilApplied(mended)
	r.Applies(3)
	if jobs := Events(r.Site, site.Accepted); len(jobs) != 4 {
		t.Errorf("%d jobs", len(jobs))
	}
}

// TestApplyIsTakenOver: what was half in was pushed away by force, and the next commit comes in under its
// number.
func TestApplyIsTakenOver(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	first := r.PushWorld("2.0.0", 2)
	stop := r.Start(t)
	r.Create(r.Fleet)
	r.UntilApplied(first)
	stop()
	r.halfway(strings.Repeat("d", 40))
	forced := r.Push("2.1.0 again", map[string]string{r.at("profile.yaml"): profileFile("2.1.0")}, gitserver.CommitOptions{Orphan: true})
	r.Start(t)
	r.UntilApplied(forced)
	r.Applies(2)
	if jobs := Events(r.Site, site.Accepted); len(jobs) != 4 {
		t.Errorf("%d jobs", len(jobs))
	}
	if h := r.Fleet.Status.History; len(h) != 3 || h[1].Result != v1alpha1.FleetSuperseded {
		t.Errorf("history: %+v", h)
	}
}

// TestMidRolloutCommit: a commit that changes how a group rolls out, while it does, stops nothing; one
// that adds a server adds it.
func TestMidRolloutCommit(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).FleetRoom(gitserver.Options{})
	first := r.PushWorld("2.0.0", 6)
	r.Start(t)
	r.Create(r.Fleet)
	r.UntilApplied(first)
	r.PushWorld("2.1.0", 6)
	r.Notify()
	r.Eventually("the rollout to begin", func() bool { return len(Events(r.Site, site.Accepted)) > 6 }, r.Fleet)
	r.Push("three at a time", map[string]string{r.at("group.yaml"): strings.Replace(groupFile, "maxUnavailable: 2", "maxUnavailable: 3", 1)})
	r.Notify()
	more := r.Push("one more", map[string]string{r.at("servers.yaml"): serversFile(7)})
	r.Notify()
	r.UntilApplied(more)
	if jobs := Events(r.Site, site.Accepted); len(jobs) != 13 {
		t.Errorf("%d jobs", len(jobs))
	}
}
