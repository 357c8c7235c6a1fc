package fault

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
)

var (
	// stormOperations is 10,000 for the whole proof.
	stormOperations = flag.Int("storm.operations", 120, "Operations of the storm")
	// stormLease is longer for more Operations: their flood alone must not cost a leader its Lease, nor a
	// new leader be struck down before it has counted them.
	stormLease = flag.Duration("storm.lease", lease, "lease of the storm's election; blows come one to four leases apart")
)

// What the policies of the storm allow at once.
const (
	perRack, perSite, perGroup, inAll = 2, 6, 5, 8
	stormClients, stormRooms          = 50, 3
)

// storm is a fleet of three datacenters under budgets that overlap, with clients that ask for more than
// there is, sites that fail, and replicas that are killed and paused.
type storm struct {
	*room // the first, whose namespace holds the Lease
	rooms []*room
	ops   []*v1alpha1.Operation
	// labels of every server, by namespace and name.
	racks map[client.ObjectKey]string

	mu sync.Mutex
	// released are when quarantines were lifted, by server.
	released map[client.ObjectKey][]time.Time

	replicas [2]*replica
	// kills and pauses that they suffered, and how often one was lost without being killed.
	kills, pauses, lost int

	bans []*ban
	// banned are the servers that a ban is about.
	banned map[client.ObjectKey]*ban
}

// TestStorm: no budget is exceeded at any instant, as the datacenters' own records have it, whoever leads;
// and every Operation ends.
func TestStorm(t *testing.T) {
	s := newStorm(t)
	s.policies()
	s.replicas[0], s.replicas[1] = &replica{proxy: s.anotherProxy().URL()}, &replica{proxy: s.anotherProxy().URL()}
	s.revive()
	s.flood()
	meddling := s.meddle()
	random := rand.New(rand.NewPCG(*seed, 7)) // a storm that can be made again
	// So long that only a storm that stands still takes it.
	patience := time.Now().Add(5*time.Minute + time.Duration(*stormOperations)*time.Second)
	for !s.allEnded(s.ops) {
		if time.Now().After(patience) || s.Failed() {
			s.stuck()
		}
		s.strike(random)
		s.release()
		s.tellProgress()
		s.pause(*stormLease + time.Duration(random.Int64N(int64(*stormLease)*5/2)))
	}
	edits := meddling()
	accepted := s.judgeBudgets()
	s.judgeBans()
	t.Logf("%d Operations of %d clients at %d sites: %d jobs, %d kills, %d pauses, %d replicas that gave up, %d edits of policies",
		len(s.ops), stormClients, stormRooms, accepted, s.kills, s.pauses, s.lost, edits)
	if s.kills+s.pauses == 0 {
		t.Error("nobody was killed or paused")
	}
}

// replica is one of the two that stand for the lead, with a way to the API server of its own.
type replica struct {
	*controller
	proxy string
}

// strike kills one of the replicas, or pauses it past its lease.
func (s *storm) strike(random *rand.Rand) {
	s.lost += s.revive() // who was paused past its lease, or could not keep it, ended as it should
	victim := s.replicas[random.IntN(len(s.replicas))]
	if random.IntN(2) == 0 {
		s.kills++
		if err := victim.kill(); err != nil {
			s.Error(err)
		}
		s.revive()
		return
	}
	s.pauses++
	victim.signal(syscall.SIGSTOP)
	s.pause(*stormLease + time.Duration(random.IntN(1500))*time.Millisecond)
	victim.signal(syscall.SIGCONT)
}

// revive starts the replicas that do not run, and tells how many those are.
func (s *storm) revive() (started int) {
	options := childOptions{Lease: *stormLease}
	for _, each := range s.rooms {
		options.Namespaces = append(options.Namespaces, each.namespace)
	}
	for _, each := range s.replicas {
		if each.controller != nil {
			if !closed(each.ended) {
				continue
			}
			each.killed.Do(func() {}) // nobody needs to end it any more
		}
		options.APIServer = each.proxy
		each.controller = s.startWith(options)
		started++
	}
	return started
}

func newStorm(t *testing.T) *storm {
	s := &storm{racks: map[client.ObjectKey]string{}, released: map[client.ObjectKey][]time.Time{}, banned: map[client.ObjectKey]*ban{},
		bans: []*ban{{effect: v1alpha1.EffectHold}, {effect: v1alpha1.EffectDeny}}}
	for n := range stormRooms {
		faults := []site.Fault{
			{Kind: site.FailJob, Probability: 0.05, Seed: *seed + uint64(n)},
			{Kind: site.Status, Status: 503, Probability: 0.05, Seed: *seed + 10 + uint64(n)},
			{Kind: site.LoseReply, Probability: 0.03, Seed: *seed + 20 + uint64(n)},
		}
		s.rooms = append(s.rooms, newRoom(t, site.Config{Duration: 150 * time.Millisecond, Faults: faults}, nil))
	}
	s.room = s.rooms[0]
	s.fence()
	return s
}

// fence binds the policy of leaders to the storm's own Lease.
func (s *storm) fence() {
	var namespaces []string
	for _, each := range s.rooms {
		namespaces = append(namespaces, each.namespace)
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "epoch-" + s.namespace},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{PolicyName: "epoch.stargate.io", ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			ParamRef: &admissionv1.ParamRef{Namespace: s.namespace, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelLease: "leader"}}, ParameterNotFoundAction: ptr.To(admissionv1.AllowAction)},
			MatchResources: &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpIn, Values: namespaces}}}}}}
	s.create(binding)
	s.Cleanup(func() { _ = s.live.Delete(context.Background(), binding) })
}

// policies of the storm: budgets over a rack, a site, a group and the whole fleet.
func (s *storm) policies() {
	var namespaces []string
	for _, each := range s.rooms {
		namespaces = append(namespaces, each.namespace)
		group := &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Namespace: each.namespace, Name: "all-" + each.namespace},
			Spec: v1alpha1.ServerGroupSpec{Selector: v1alpha1.LabelSelector{MatchLabels: map[string]v1alpha1.LabelValue{"storm": "yes"}},
				ProvisioningProfileRef: v1alpha1.LocalReference{Name: profileName}, Rollout: v1alpha1.Rollout{Paused: true, Reason: "a storm"}}}
		s.create(group)
	}
	for name, expression := range map[string]string{
		"rack":  fmt.Sprintf(`fleet.unavailable({"rack": server.labels.rack}) < %d`, perRack),
		"site":  fmt.Sprintf(`fleet.active({"namespace": server.namespace, "datacenter": datacenter.name}) < %d`, perSite),
		"group": fmt.Sprintf(`fleet.active({"group": group.name}) < %d`, perGroup),
		"all":   fmt.Sprintf(`fleet.active({}) < %d`, inAll),
	} {
		policy := &v1alpha1.Policy{ObjectMeta: metav1.ObjectMeta{Name: s.namespace + "-" + name},
			Spec: v1alpha1.PolicySpec{Match: v1alpha1.Match{Namespaces: namespaces},
				Rules: []v1alpha1.Rule{{Name: name, Expression: expression, Effect: v1alpha1.EffectHold}}}}
		s.create(policy)
		s.Cleanup(func() { _ = s.live.Delete(context.Background(), policy) })
	}
}

// flood has fifty clients make Operations at once, two for each server.
func (s *storm) flood() {
	servers := *stormOperations / 2 / stormRooms
	// So many to one under each ban: it flips every few seconds, and with it what all those wait for.
	every := max(10, servers/20)
	for _, each := range s.rooms {
		for n := range servers {
			object := server(each.namespace, n+1)
			rack := fmt.Sprintf("%s-r%d", each.namespace, n%4)
			object.Labels = map[string]string{"storm": "yes", "rack": rack}
			if i := n % every; i < len(s.bans) {
				object.Labels[banLabel] = string(s.bans[i].effect)
				s.banned[client.ObjectKeyFromObject(object)] = s.bans[i]
			}
			s.racks[client.ObjectKeyFromObject(object)] = rack
			s.create(object)
			for i := range 2 {
				s.ops = append(s.ops, operation(each.namespace, fmt.Sprintf("op-%05d-%d", n+1, i), n+1, []v1alpha1.Action{v1alpha1.ActionRepave, v1alpha1.ActionReboot}[i]))
			}
		}
	}
	var clients sync.WaitGroup
	for c := range stormClients {
		clients.Go(func() {
			for i := c; i < len(s.ops); i += stormClients {
				if err := s.live.Create(context.Background(), s.ops[i]); err != nil {
					s.Error(err)
				}
			}
		})
	}
	clients.Wait()
}

// tellProgress says how far it is, and what those that have not ended do.
func (s *storm) tellProgress() {
	states := map[string]int{}
	for _, op := range s.ops {
		now := &v1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: op.Namespace, Name: op.Name}}
		if !s.see(now) {
			continue
		}
		about := string(now.Status.Phase)
		if now.Status.Phase == v1alpha1.OperationPending && len(now.Status.Attempts) > 0 {
			about += ", attempted"
		}
		states[about]++
	}
	s.Logf("%s: %d kills, %d pauses, %v", time.Now().Format("15:04:05"), s.kills, s.pauses, states)
}

// pause for a while: what happens meanwhile is the controllers' affair.
func (s *storm) pause(d time.Duration) {
	select {
	case <-s.Context().Done():
	case <-time.After(d):
	}
}

// stuck ends the test with what is held by what.
func (s *storm) stuck() {
	s.Helper()
	left, holds := 0, map[string]int{}
	for _, op := range s.ops {
		now := op.DeepCopy()
		if !s.see(now) || now.Status.Phase.Terminal() {
			continue
		}
		left++
		about := fmt.Sprintf("phase %q, %d attempts, %s", now.Status.Phase, len(now.Status.Attempts), now.Status.Message)
		if len(now.Status.Holds) > 0 {
			about = now.Status.Holds[0].Source + " " + now.Status.Holds[0].Message
		}
		holds[about]++
	}
	s.judgeBudgets()
	s.Fatalf("%d of %d Operations do not end: %v", left, len(s.ops), holds)
}

// release lifts every quarantine, as people do.
func (s *storm) release() {
	var servers v1alpha1.ServerList
	if err := s.seen.List(context.Background(), &servers, client.MatchingLabels{"storm": "yes"}); err != nil {
		s.Error(err)
	}
	for i := range servers.Items {
		object := servers.Items[i].DeepCopy()
		quarantine := object.Status.Quarantine
		if quarantine == nil || object.Annotations[v1alpha1.AnnotationRelease] == quarantine.UID {
			continue
		}
		key := client.ObjectKeyFromObject(object)
		s.mu.Lock()
		s.released[key] = append(s.released[key], time.Now())
		s.mu.Unlock()
		patch := client.MergeFrom(object.DeepCopy())
		if object.Annotations == nil {
			object.Annotations = map[string]string{}
		}
		object.Annotations[v1alpha1.AnnotationRelease] = quarantine.UID
		if err := s.live.Patch(context.Background(), object, patch); err != nil {
			s.Error(err)
		}
	}
}

// turn is a moment at which a budget is used more, or less.
type turn struct {
	at    time.Time
	by    int
	event string
}

// judgeBudgets reads all sites' records, and looks at every instant. A server that failed is unavailable
// until somebody began to release it. It gives how many jobs there were.
func (s *storm) judgeBudgets() int {
	racks, rest := map[string][]turn{}, map[string][]turn{}
	limits := map[string]int{"all": inAll}
	jobs := 0
	for _, each := range s.rooms {
		accepted := map[string]site.Event{}
		limits["site "+each.namespace] = min(perSite, perGroup)
		for _, event := range each.site.Record() {
			key := client.ObjectKey{Namespace: each.namespace, Name: event.ServerID}
			switch event.Kind {
			case site.Accepted:
				jobs++
				accepted[event.JobID] = event
			case site.Ended:
				begun := accepted[event.JobID]
				key.Name = begun.ServerID
				span := []turn{{begun.At, 1, "accepted " + begun.ServerID}, {event.At, -1, event.Phase + " " + begun.ServerID}}
				for _, name := range []string{"all", "site " + each.namespace} {
					rest[name] = append(rest[name], span...)
				}
				if event.Phase == "failed" && begun.Action == string(v1alpha1.ActionRepave) {
					span[1].at = s.releasedAfter(key, event.At)
				}
				racks[s.racks[key]] = append(racks[s.racks[key]], span...)
			default: // tells of no work
			}
		}
	}
	for name, turns := range rest {
		s.judgeTurns(name, turns, limits[name])
	}
	for name, turns := range racks {
		s.judgeTurns("rack "+name, turns, perRack)
	}
	return jobs
}

// releasedAfter is when somebody first lifted a quarantine of a server after a time; that time where nobody
// did, as of a server whose action leaves it as it was.
func (s *storm) releasedAfter(key client.ObjectKey, at time.Time) time.Time {
	for _, released := range s.released[key] {
		if released.After(at) {
			return released
		}
	}
	return at
}

func (s *storm) judgeTurns(name string, turns []turn, limit int) {
	s.Helper()
	slices.SortStableFunc(turns, func(a, b turn) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.by, b.by)) // what ends makes room for what begins with it
	})
	used, most := 0, 0
	for i, turn := range turns {
		if used += turn.by; used > limit && used > most {
			from := max(0, i-8)
			s.Errorf("%s: %d at once, and %d are allowed; the latest: %v", name, used, limit, turns[from:i+1])
		}
		most = max(most, used)
	}
	s.Logf("%s: %d at once at most, of %d", name, most, limit)
}
