package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/test/proxy"
)

const (
	groupName    = "web"
	groupServers = 12
	groupRacks   = 4
	canaries     = 2
	// groupBudget is how many servers of the group may be out at once.
	groupBudget = 2
)

// rolloutSeeds are runs of a rollout, each with blows of its own.
const rolloutSeeds = 3

// TestRolloutWithLeadersStruckDown rolls two revisions out over a group with two replicas, whose leader
// is killed, or paused past its lease and woken, at writes of a random choice. The judge is the site's
// record: never more at once than the budget or one of a rack, canaries first, each machine wiped once a
// revision.
func TestRolloutWithLeadersStruckDown(t *testing.T) {
	for n := range uint64(rolloutSeeds) {
		t.Run(fmt.Sprintf("seed %d", *seed+n), func(t *testing.T) {
			t.Parallel()
			g := newGroupRoom(t, site.Config{Duration: 300 * time.Millisecond}, nil)
			random := rand.New(rand.NewPCG(*seed+n, 1))
			struck := strikes{r: g.room, proxies: []*proxy.Proxy{g.api, g.anotherProxy()}, random: random}
			struck.begin()
			struck.while(func() bool { return g.updated("2.0.0") })
			g.edit("2.1.0")
			struck.while(func() bool { return g.updated("2.1.0") })
			g.until("the group is through", func() bool { return g.ready() })
			g.judgeRollout("2.0.0", "2.1.0")
			t.Logf("%d leaders killed, %d paused", struck.killed, struck.paused)
		})
	}
}

// groupRoom is a room with a group of servers.
type groupRoom struct {
	*room
}

func newGroupRoom(t *testing.T, config site.Config, change func(*v1alpha1.ServerGroup)) *groupRoom {
	t.Helper()
	g := &groupRoom{room: newRoom(t, config, nil)}
	budget, canary := intstr.FromInt32(groupBudget), intstr.FromInt32(canaries)
	group := &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Namespace: g.namespace, Name: groupName},
		Spec: v1alpha1.ServerGroupSpec{
			Selector:               v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"role": "web"}},
			ProvisioningProfileRef: v1alpha1.LocalReference{Name: profileName},
			Rollout:                v1alpha1.Rollout{MaxUnavailable: &budget, SpreadBy: "rack", Waves: []v1alpha1.Wave{{Name: "canary", Size: &canary}}},
		}}
	if change != nil {
		change(group)
	}
	for n := range groupServers {
		s := server(g.namespace, n+1)
		s.Labels = map[string]string{"role": "web", "rack": rackOf(n + 1)}
		g.create(s)
	}
	g.create(group)
	return g
}

// rackOf server number n.
func rackOf(n int) string { return fmt.Sprintf("r%d", (n-1)%groupRacks) }

// group as the API server has it.
func (g *groupRoom) group() *v1alpha1.ServerGroup {
	g.Helper()
	group := &v1alpha1.ServerGroup{}
	if err := g.live.Get(context.Background(), client.ObjectKey{Namespace: g.namespace, Name: groupName}, group); err != nil {
		g.Fatal(err)
	}
	return group
}

// edit gives the profile another OS, as a person would with kubectl.
func (g *groupRoom) edit(version string) {
	g.Helper()
	object := &v1alpha1.ProvisioningProfile{}
	if err := g.live.Get(context.Background(), client.ObjectKey{Namespace: g.namespace, Name: profileName}, object); err != nil {
		g.Fatal(err)
	}
	if err := g.patch(object, func() { object.Spec.OSVersion = version }); err != nil {
		g.Fatal(err)
	}
}

// approve lets pass what the guard holds, as a person would.
func (g *groupRoom) approve() {
	g.Helper()
	group := g.group()
	for _, hold := range group.Status.Holds {
		if hold.Reason != v1alpha1.ReasonApprovalRequired || group.Annotations[v1alpha1.AnnotationApprove] == group.Status.Revision.Name {
			continue
		}
		err := g.patch(group, func() {
			metav1.SetMetaDataAnnotation(&group.ObjectMeta, v1alpha1.AnnotationApprove, group.Status.Revision.Name)
		})
		if err != nil && !apierrors.IsConflict(err) {
			g.Fatal(err)
		}
		return
	}
}

// updated tells whether every server was seen with an OS; meanwhile it lets pass what waits for a person.
func (g *groupRoom) updated(version string) bool {
	g.Helper()
	g.approve()
	for n := range groupServers {
		s := server(g.namespace, n+1)
		if !g.see(s) || s.Status.CurrentOS != version || s.Status.ActiveOperation != nil {
			return false
		}
	}
	return true
}

func (g *groupRoom) ready() bool {
	g.Helper()
	group := g.group()
	for _, condition := range group.Status.Conditions {
		if condition.Type == v1alpha1.ConditionReady {
			return condition.Status == metav1.ConditionTrue && len(group.Status.InFlight) == 0
		}
	}
	return false
}

// judgeRollout reads the site's record for what must never be in it.
func (g *groupRoom) judgeRollout(versions ...string) {
	g.Helper()
	g.jobs() // I1 and I2
	live, racks := map[string]bool{}, map[string]int{}
	wiped := map[string]map[string]int{}
	number := map[string]int{}
	for n := range groupServers {
		number[serverName(n+1)] = n + 1
	}
	for _, event := range g.site.Record() {
		rack := rackOf(number[event.ServerID])
		switch event.Kind {
		case site.Accepted:
			live[event.ServerID] = true
			racks[rack]++
			if len(live) > groupBudget {
				g.Errorf("I3: %d servers are out at once at event %d, %d may be", len(live), event.Seq, groupBudget)
			}
			if racks[rack] > 1 {
				g.Errorf("I3: %d servers of rack %s are out at once at event %d", racks[rack], rack, event.Seq)
			}
			version := event.Job.OSVersion
			if wiped[version] == nil {
				wiped[version] = map[string]int{}
			}
			wiped[version][event.ServerID]++
			if number[event.ServerID] > canaries && len(wiped[version]) <= canaries {
				g.Errorf("server %s got %s before the canaries had", event.ServerID, version)
			}
		case site.Ended:
			delete(live, event.ServerID)
			racks[rack]--
		default:
		}
	}
	for _, version := range versions {
		for name := range number {
			if times := wiped[version][name]; times != 1 {
				g.Errorf("machine %s got %s %d times", name, version, times)
			}
		}
	}
}

// strikes hits whoever leads.
type strikes struct {
	r       *room
	proxies []*proxy.Proxy
	random  *rand.Rand
	// replicas run behind the proxies; leading is the one that has the lease, by number.
	replicas []*controller
	leading  int
	holder   string

	killed, paused int
}

// begin starts the replicas, the leader first.
func (s *strikes) begin() {
	s.r.Helper()
	s.replicas = []*controller{s.start(0), nil}
	s.holder = s.r.holder("")
	s.replicas[1] = s.start(1)
}

func (s *strikes) start(n int) *controller {
	return s.r.startWith(childOptions{Namespaces: []string{s.r.namespace}, Lease: lease, APIServer: s.proxies[n].URL()})
}

// while strikes again and again until something is so.
func (s *strikes) while(is func() bool) {
	s.r.Helper()
	for s.strike(is) {
	}
}

// strike hits the leader at one of its next writes, and tells whether that came before the end.
func (s *strikes) strike(is func() bool) bool {
	s.r.Helper()
	leader := s.replicas[s.leading]
	var came atomic.Bool
	pausing := s.random.IntN(2) == 0
	hit := func() {
		if came.Swap(true) {
			return
		}
		if pausing {
			leader.signal(syscall.SIGSTOP)
		} else if err := leader.kill(); err != nil {
			s.r.Error(err)
		}
	}
	at := s.proxies[s.leading]
	at.Restart()
	action := proxy.Action{Before: hit}
	if s.random.IntN(2) == 0 {
		action = proxy.Action{After: hit}
	}
	at.Use(proxy.AtWrite(1+s.random.IntN(20), action))
	defer at.Use(nil)
	s.r.until("the end, or a blow", func() bool { return came.Load() || is() })
	if !came.Load() {
		return false
	}
	before := s.leading
	s.leading = 1 - s.leading
	s.holder = s.r.holder(s.holder)
	if pausing {
		s.paused++
		s.wake(leader)
	} else {
		s.killed++
	}
	at.Use(nil)
	s.replicas[before] = s.start(before)
	return true
}

// wake lets a leader that was paused go on, once its successor has written something; it ends by itself
// then, having lost the lease.
func (s *strikes) wake(leader *controller) {
	s.r.Helper()
	successor := s.proxies[s.leading]
	successor.Restart()
	wrote := func() bool {
		counts := successor.Counts()
		return slices.ContainsFunc([]string{"update servergroups/status", "update operations/status", "create operations", "update servers/status"},
			func(kind string) bool { return counts[kind] > 0 })
	}
	limit := time.NewTimer(3 * lease)
	defer limit.Stop()
	s.r.until("its successor works, or has nothing to do", func() bool {
		select {
		case <-limit.C:
			return true
		default:
			return wrote()
		}
	})
	leader.signal(syscall.SIGCONT)
	s.r.until("the one that was paused gives up", func() bool { return closed(leader.ended) })
	leader.killed.Do(func() {}) // it ended as it should
}
