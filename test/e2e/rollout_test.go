package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
)

// Member is server n of the group web, in one of three racks.
func (r *Room) Member(n int) *v1alpha1.Server {
	server := r.Server(n)
	server.Labels = map[string]string{"role": "web", "rack": fmt.Sprintf("r%d", n%3)}
	return server
}

// Members are the servers 1 to n of the group web.
func (r *Room) Members(n int) (all []*v1alpha1.Server) {
	r.Helper()
	for i := 1; i <= n; i++ {
		all = append(all, r.Member(i))
		r.Create(all[i-1])
	}
	return all
}

// Group is a ServerGroup of the servers with role=web, with the profile "os".
func (r *Room) Group(name string, maxUnavailable int32) *v1alpha1.ServerGroup {
	limit := intstr.FromInt32(maxUnavailable)
	return &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Namespace: r.Namespace, Name: name},
		Spec: v1alpha1.ServerGroupSpec{
			Selector:               v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"role": "web"}},
			ProvisioningProfileRef: v1alpha1.LocalReference{Name: "os"},
			Rollout:                v1alpha1.Rollout{MaxUnavailable: &limit},
		}}
}

// UntilRollout waits until a group's rollout is held for a reason, and checks the words.
func (r *Room) UntilRollout(group *v1alpha1.ServerGroup, reason string, words ...string) v1alpha1.Hold {
	r.Helper()
	var found v1alpha1.Hold
	r.Until(group, "held for "+reason, func() bool {
		at := slices.IndexFunc(group.Status.Holds, func(h v1alpha1.Hold) bool { return h.Reason == reason })
		if at >= 0 {
			found = group.Status.Holds[at]
		}
		return at >= 0
	})
	r.mentions(group, found.Message+" "+found.ClearsWhen, words...)
	return found
}

// UntilUpToDate waits until a group is what its spec asks for, with that many servers.
func (r *Room) UntilUpToDate(group *v1alpha1.ServerGroup, servers int32) {
	r.Helper()
	r.Until(group, "up to date", func() bool {
		return isTrue(group.Status.Conditions, v1alpha1.ConditionReady) && group.Status.ObservedGeneration == group.Generation && group.Status.Updated == servers
	})
}

func isTrue(conditions []metav1.Condition, kind string) bool {
	return slices.ContainsFunc(conditions, func(c metav1.Condition) bool { return c.Type == kind && c.Status == metav1.ConditionTrue })
}

// Approve what the guard holds of the revision that the group shows.
func (r *Room) Approve(group *v1alpha1.ServerGroup) {
	r.Helper()
	r.Annotate(group, v1alpha1.AnnotationApprove, group.Status.Revision.Name)
}

// Annotate an object.
func (r *Room) Annotate(object client.Object, key, value string) {
	r.Helper()
	r.Edit(object, func() {
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[key] = value
		object.SetAnnotations(annotations)
	})
}

// taken lists the servers in the order in which the site accepted a repave of them, from an event on.
func (r *Room) taken(since int) (servers []string) {
	for _, event := range Events(r.Site, site.Accepted)[since:] {
		servers = append(servers, event.ServerID)
	}
	return servers
}

// AtOnce fails where more jobs ran at once than may, in the site's own record.
func (r *Room) AtOnce(limit int) {
	r.Helper()
	for _, event := range r.Site.Record() {
		if event.Live > limit {
			r.Errorf("%d jobs at once, where %d may: %+v", event.Live, limit, event)
		}
	}
}

const groupByHand = `
apiVersion: stargate.io/v1alpha1
kind: ServerGroup
metadata: {name: web, namespace: NAMESPACE}
spec:
  selector: {matchLabels: {role: web}}
  provisioningProfileRef: {name: os}
  rollout:
    maxUnavailable: 1
    spreadBy: rack
    waves:
      - name: canary
        selector: {matchLabels: {tier: canary}}
      - name: some
        size: 2
`

// TestRollout: a group made with kubectl repaves its servers wave by wave, after the guard's approval, one
// at a time as the site itself recorded it; a new content of the profile does so again; the first failure
// stops it until somebody resumes it.
func TestRollout(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	for n := 1; n <= 6; n++ {
		server := r.Member(n)
		if n == 5 {
			server.Labels["tier"] = "canary"
		}
		r.Create(server)
	}
	r.Start()
	apply := kubectlCommand(t.Context(), r.Cluster, "apply", "-f", "-")
	apply.Stdin = strings.NewReader(strings.ReplaceAll(groupByHand, "NAMESPACE", r.Namespace))
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	group := r.Group("web", 1)

	// Nothing is known of the machines, so all count in the guard, which lets pass one of six.
	r.UntilRollout(group, v1alpha1.ReasonApprovalRequired, "web", "approve")
	if got := r.taken(0); len(got) > 1 || group.Status.Servers != 6 {
		t.Errorf("of %d servers %v were taken without an approval", group.Status.Servers, got)
	}
	r.shows(group, status.InProgressStatus)
	r.Approve(group)
	kubectl(t, r.Cluster, "wait", "--for=condition=Ready", "--timeout=60s", "-n", r.Namespace, "servergroups.stargate.io/web")
	r.UntilUpToDate(group, 6)
	r.shows(group, status.CurrentStatus)
	r.inWaves(r.taken(0))

	// The same again, for another content, and server-002 fails.
	r.fault(site.Fault{Kind: site.FailJob, Stage: "install", Server: "server-002", Count: 1})
	profile := Profile(r.Namespace, "os", "2.1.0")
	r.Edit(profile, func() { profile.Spec.OSVersion = "2.1.0" })
	r.Until(group, "at the second revision", func() bool { return group.Status.Revision.Number == 2 })
	r.UntilRollout(group, v1alpha1.ReasonApprovalRequired)
	r.Approve(group)
	r.UntilRollout(group, v1alpha1.ReasonTooManyFailures, "resume")
	r.shows(group, status.FailedStatus)
	before := len(r.taken(0))
	failed := r.Member(2)
	r.Until(failed, "quarantined", func() bool { return failed.Status.Quarantine != nil })
	r.Annotate(failed, v1alpha1.AnnotationRelease, failed.Status.Quarantine.UID)
	r.Annotate(group, v1alpha1.AnnotationResume, fmt.Sprintf("%s/%d", group.Status.Revision.Name, group.Status.Revision.Failures))
	r.UntilUpToDate(group, 6)
	if got := r.taken(before); len(got) == 0 || !slices.Contains(got, "server-002") {
		t.Errorf("after it was resumed these were taken: %v", got)
	}
	r.shows(group, status.CurrentStatus)
	r.AtOnce(1)
	r.Accepted("server-001", 2)
	r.Accepted("server-002", 3)
}

// inWaves fails unless servers were taken once each: the canary, two more, the rest.
func (r *Room) inWaves(taken []string) {
	r.Helper()
	if want := []string{"server-005", "server-001", "server-002", "server-003", "server-004", "server-006"}; !slices.Equal(taken, want) {
		r.Errorf("the site accepted %v, not %v", taken, want)
	}
}

// TestRolloutSpread: with room for two, never are two of one rack down.
func TestRolloutSpread(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	servers := r.Members(6)
	group := r.Group("web", 2)
	group.Spec.Rollout.SpreadBy = "rack"
	r.Create(group)
	r.Start()
	r.UntilRollout(group, v1alpha1.ReasonApprovalRequired)
	r.Approve(group)
	r.UntilUpToDate(group, 6)
	r.AtOnce(2)
	rack := map[string]string{}
	for _, server := range servers {
		rack[server.Name] = server.Labels["rack"]
		r.Accepted(server.Name, 1)
	}
	down := map[string]string{}
	for _, event := range r.Site.Record() {
		switch event.Kind {
		case site.Accepted:
			if other := down[rack[event.ServerID]]; other != "" {
				t.Errorf("%s and %s of rack %s at once", other, event.ServerID, rack[event.ServerID])
			}
			down[rack[event.ServerID]] = event.ServerID
		case site.Ended:
			delete(down, rack[event.ServerID])
		default:
		}
	}
}

// TestRolloutPaused: what a rollout made and has not begun waits while the group is paused, and says so.
func TestRolloutPaused(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).RoomWith(site.Config{}, func(dc *v1alpha1.Datacenter) { dc.Spec.Paused = true })
	r.Members(1)
	group := r.Group("web", 1)
	r.Create(group)
	r.Start()
	op := r.UntilMade(group, "server-001")
	r.UntilHeld(op, v1alpha1.ReasonDatacenterPaused)
	r.Edit(group, func() { group.Spec.Rollout.Paused, group.Spec.Rollout.Reason = true, "network-work" })
	r.UntilHeld(op, v1alpha1.ReasonRolloutPaused, "web", "network-work")
	r.UntilRollout(group, v1alpha1.ReasonRolloutPaused, "network-work")
	r.shows(group, status.InProgressStatus)
	dc := r.DC()
	r.Edit(dc, func() { dc.Spec.Paused = false })
	r.UntilCondition(dc, &dc.Status.Conditions, v1alpha1.ConditionReady, v1alpha1.ReasonReady)
	r.Unasked()
	// A pause with an end ends by itself.
	r.Edit(group, func() {
		until := metav1.NewTime(time.Now().Add(2 * time.Second))
		group.Spec.Rollout.PausedUntil = &until
	})
	r.UntilUpToDate(group, 1)
	r.Accepted("server-001", 1)
}

// UntilMade waits until a group's rollout has made an Operation for a server, and gives it.
func (r *Room) UntilMade(group *v1alpha1.ServerGroup, server string) *v1alpha1.Operation {
	r.Helper()
	found := &v1alpha1.Operation{}
	r.Eventually("an Operation for "+server, func() bool {
		var list v1alpha1.OperationList
		if err := r.Client.List(r.Context(), &list, client.InNamespace(r.Namespace), client.MatchingLabels{v1alpha1.LabelGroup: group.Name}); err != nil {
			r.Fatal(err)
		}
		for i := range list.Items {
			if list.Items[i].Spec.ServerRef.Name == server && !list.Items[i].Status.Phase.Terminal() {
				found = &list.Items[i]
				return true
			}
		}
		return false
	}, group)
	return found
}

// TestRolloutNewcomer: a server that joins a group is provisioned, one that leaves it is not touched.
func TestRolloutNewcomer(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	first := r.Members(1)[0]
	group := r.Group("web", 1)
	r.Create(group)
	r.Start()
	r.UntilUpToDate(group, 1)
	r.Create(r.Member(2))
	r.UntilUpToDate(group, 2)
	r.Edit(first, func() { first.Labels["role"] = "db" })
	r.Until(group, "without it", func() bool { return group.Status.Servers == 1 })
	profile := Profile(r.Namespace, "os", "2.1.0")
	r.Edit(profile, func() { profile.Spec.OSVersion = "2.1.0" })
	r.Until(group, "at the second revision", func() bool { return group.Status.Revision.Number == 2 })
	r.UntilUpToDate(group, 1)
	r.Accepted("server-001", 1)
	r.Accepted("server-002", 2)
}

// TestRolloutTwoGroups: a server that two groups select is touched by neither, and both say so.
func TestRolloutTwoGroups(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	shared := r.Member(1)
	shared.Labels["tier"] = "gpu"
	web, gpu := r.Group("web", 1), r.Group("gpu", 1)
	gpu.Spec.Selector.MatchLabels = map[string]v1alpha1.LabelValue{"tier": "gpu"}
	r.Create(shared, web, gpu)
	r.Start()
	for _, group := range []*v1alpha1.ServerGroup{web, gpu} {
		r.Until(group, "skipping the server", func() bool { return group.Status.Skipped == 1 && group.Status.Servers == 1 })
		r.UntilRollout(group, v1alpha1.ReasonGroupConflict, "server-001")
	}
	r.Unasked()
	// Once it is of one group only, that one takes it.
	r.Edit(shared, func() { delete(shared.Labels, "tier") })
	r.UntilUpToDate(web, 1)
	r.Until(gpu, "without it", func() bool { return gpu.Status.Servers == 0 && len(gpu.Status.Holds) == 0 })
	r.Accepted("server-001", 1)
}

// TestRolloutGroupDeleted: what runs is seen out, and what has not begun ends without having touched a
// machine.
func TestRolloutGroupDeleted(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).RoomWith(site.Config{}, func(dc *v1alpha1.Datacenter) { dc.Spec.Limits.ConcurrentOperations = 1 })
	r.fault(site.Fault{Kind: site.Lie, Sort: site.LieRunning})
	r.Members(3)
	group := r.Group("web", 3)
	r.Create(group)
	r.Start()
	r.UntilRollout(group, v1alpha1.ReasonApprovalRequired)
	r.Approve(group)
	running, waiting := r.UntilMade(group, "server-001"), r.UntilMade(group, "server-002")
	r.UntilPhase(running, v1alpha1.OperationRunning)
	r.UntilHeld(waiting, v1alpha1.ReasonLimitReached)
	r.Delete(group)
	r.UntilEnded(waiting, v1alpha1.OperationCancelled, v1alpha1.ReasonGroupGone, "ServerGroup web", "gone")
	r.Site.ClearFaults()
	succeeds(r, running)
	r.Accepted("server-001", 1)
	r.Accepted("server-002", 0)
	r.Accepted("server-003", 0)
	r.Unclaimed(r.Server(2))
}
