package e2e

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/engine"
)

// given lists the OS versions of the jobs that the site made for a server.
func (r *Room) given(server string) (versions []string) {
	for _, event := range Events(r.Site, site.Accepted) {
		if event.ServerID == server {
			versions = append(versions, event.Job.OSVersion)
		}
	}
	return versions
}

// Gives fails unless the site made just these jobs for a server.
func (r *Room) Gives(server string, versions ...string) {
	r.Helper()
	if got := r.given(server); !slices.Equal(got, versions) {
		r.Errorf("the site gave %s %v, not %v", server, got, versions)
	}
}

// EditProfile gives the profile "os" another OS version.
func (r *Room) EditProfile(version string) {
	r.Helper()
	profile := Profile(r.Namespace, "os", version)
	r.Edit(profile, func() { profile.Spec.OSVersion = version })
}

// UntilRevision waits for the revision of that number, and lets it pass the guard if that holds it.
func (r *Room) UntilRevision(group *v1alpha1.ServerGroup, number int64) {
	r.Helper()
	r.Until(group, "at the revision", func() bool { return group.Status.Revision.Number == number })
	r.Approve(group)
}

// TestRolloutOvertaken: a new content in mid-rollout replaces what has not begun, and lets what runs end.
func TestRolloutOvertaken(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).RoomWith(site.Config{}, func(dc *v1alpha1.Datacenter) { dc.Spec.Limits.ConcurrentOperations = 1 })
	r.fault(site.Fault{Kind: site.Lie, Sort: site.LieRunning})
	r.Members(3)
	group := r.Group("web", 3)
	r.Create(group)
	r.Start()
	r.UntilRevision(group, 1)
	running, waiting := r.UntilMade(group, "server-001"), r.UntilMade(group, "server-002")
	r.UntilPhase(running, v1alpha1.OperationRunning)
	r.UntilHeld(waiting, v1alpha1.ReasonLimitReached)
	r.EditProfile("2.1.0")
	r.UntilPhase(waiting, v1alpha1.OperationCancelled)
	r.Site.ClearFaults()
	succeeds(r, running)
	r.UntilRevision(group, 2)
	r.UntilUpToDate(group, 3)
	r.Gives("server-001", "2.0.0", "2.1.0")
	r.Gives("server-002", "2.1.0")
	r.Gives("server-003", "2.1.0")
}

// TestRolloutRestarted: a controller that stops in mid-rollout and another that goes on make one job each.
func TestRolloutRestarted(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	servers := r.Members(6)
	group := r.Group("web", 2)
	r.Create(group)
	stop := r.Start()
	r.UntilRevision(group, 1)
	for n := int32(2); n <= 4; n += 2 {
		r.Until(group, "under way", func() bool { return group.Status.Updated >= n })
		stop()
		stop = r.Start()
	}
	r.UntilUpToDate(group, 6)
	r.AtOnce(2)
	for _, server := range servers {
		r.Gives(server.Name, "2.0.0")
	}
}

// TestRolloutFromSecret: what a profile takes from a Secret is part of its content, and looked at again.
func TestRolloutFromSecret(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	secret := &corev1.Secret{}
	secret.Namespace, secret.Name, secret.Data = r.Namespace, "cloud-init", map[string][]byte{"user-data": []byte("#cloud-config\n")}
	profile := Profile(r.Namespace, "os", "2.0.0")
	r.Edit(profile, func() {
		profile.Spec.UserData = &v1alpha1.DataSource{SecretRef: &v1alpha1.SecretKeyReference{Name: "cloud-init", Key: "user-data"}}
	})
	r.Members(1)
	group := r.Group("web", 1)
	r.Create(group)
	r.Start(func(options *engine.Options) { options.SecretsEvery = 300 * time.Millisecond })
	r.UntilRollout(group, v1alpha1.ReasonSecretNotFound, "cloud-init")
	r.Create(secret)
	r.UntilUpToDate(group, 1)
	r.Edit(secret, func() { secret.Data["user-data"] = []byte("#cloud-config\npackages: []\n") })
	r.UntilRevision(group, 2)
	r.UntilUpToDate(group, 1)
	r.Gives("server-001", "2.0.0", "2.0.0")
}

// TestRolloutByHand: a server that somebody gave another content is reported and not wiped again; one that
// was given the group's own is simply up to date.
func TestRolloutByHand(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	r.Create(Profile(r.Namespace, "other", "9.0.0"))
	r.Members(2)
	r.Create(r.Repave("before", 1))
	r.Start()
	before := r.Repave("before", 1)
	succeeds(r, before)
	group := r.Group("web", 1)
	r.Create(group)
	r.UntilUpToDate(group, 2)
	r.Gives("server-001", "2.0.0")
	byHand := Repave(r.Namespace, "by-hand", "server-002", "other")
	r.Create(byHand)
	succeeds(r, byHand)
	r.Until(group, "reporting the drift", func() bool { return group.Status.Drifted == 1 && group.Status.Updated == 1 })
	r.Gives("server-002", "2.0.0", "9.0.0")
	// Back by hand, and all is well.
	back := Repave(r.Namespace, "back", "server-002", "os")
	r.Create(back)
	r.UntilUpToDate(group, 2)
	r.Gives("server-002", "2.0.0", "9.0.0", "2.0.0")
}

// TestRolloutAdopts: a machine in use that is taken under care with the group's content is not touched;
// nor is one that cannot be adopted yet.
func TestRolloutAdopts(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	same, stuck := r.Member(1), r.Member(2)
	same.Spec.Adopt = &v1alpha1.Adoption{Profile: "os"}
	stuck.Spec.Adopt = &v1alpha1.Adoption{Profile: "missing"}
	group := r.Group("web", 2)
	r.Create(group, same, stuck)
	r.Start()
	r.Until(group, "up to date with the adopted one", func() bool { return group.Status.Updated == 1 && group.Status.Servers == 2 })
	r.Create(Profile(r.Namespace, "missing", "2.0.0"))
	r.UntilUpToDate(group, 2)
	r.Unasked()
}

// statusWrites counts what a controller writes to the status of groups.
type statusWrites struct{ n atomic.Int32 }

func (w *statusWrites) around(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if request.Method != http.MethodGet && strings.Contains(request.URL.Path, "/servergroups/") {
			w.n.Add(1)
		}
		return next.RoundTrip(request)
	})
}

// TestRolloutAtRest: what changes nothing for a group costs no write.
func TestRolloutAtRest(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	servers := r.Members(3)
	group := r.Group("web", 1)
	r.Create(group)
	writes := &statusWrites{}
	r.Start(func(options *engine.Options) { options.RESTConfig = wrapped(r.Cluster.Config, writes.around) })
	r.UntilRevision(group, 1)
	r.UntilUpToDate(group, 3)
	before := writes.n.Load()
	profile := Profile(r.Namespace, "os", "2.0.0")
	r.Annotate(profile, "example.com/any", "thing")
	for _, object := range []client.Object{servers[0], servers[1], group} {
		r.Annotate(object, "example.com/any", "thing")
	}
	// Whatever was to be written on account of that was written before the server that comes now.
	paused := r.Member(4)
	paused.Spec.Paused = true
	r.Create(paused)
	r.Until(group, "of four servers", func() bool { return group.Status.Servers == 4 })
	if got := writes.n.Load() - before; got > 2 {
		t.Errorf("%d writes to the group for one server that came", got)
	}
	if total := before; total > 3*5+4 {
		t.Errorf("%d writes to the group for three servers", total)
	}
}

// TestRolloutOverlap: two controllers that overlap by mistake share the group's budget all the same: a
// server is taken by compare-and-swap on the group.
func TestRolloutOverlap(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	servers := r.Members(8)
	group := r.Group("web", 2)
	group.Spec.Rollout.SpreadBy = "rack"
	r.Create(group)
	r.Start()
	r.Start()
	r.UntilRevision(group, 1)
	r.UntilUpToDate(group, 8)
	r.EditProfile("2.1.0")
	r.UntilRevision(group, 2)
	r.UntilUpToDate(group, 8)
	r.AtOnce(2)
	for _, server := range servers {
		r.Gives(server.Name, "2.0.0", "2.1.0")
	}
}
