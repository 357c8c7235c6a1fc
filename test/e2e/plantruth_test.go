package e2e

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/cmd/stargate/planning"
	"stargate.io/stargate/config"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/engine/rollout"
	"stargate.io/stargate/gitsync/tree"
	"stargate.io/stargate/test/gitserver"
)

var (
	truthCommits = flag.Int("plantruth.commits", 25, "how many random commits TestPlanTellsTheTruth makes in each of its two fleets")
	truthSeed    = flag.Uint64("plantruth.seed", 4, "seed of the random commits of the first; the second has the next")
)

// truthServer is a server of the repository.
type truthServer struct {
	number                  int
	group, rack, tier, note string
	paused                  bool
}

// truthGroup is a group of the repository.
type truthGroup struct {
	profile, maxUnavailable, order string
	spread                         int // servers of one rack at once; zero for no spreadBy
	waves                          []string
}

// truthDC is what the repository says of one datacenter.
type truthDC struct {
	namespace string
	versions  map[string]string // by profile
	notes     map[string]string
	groups    map[string]*truthGroup
	servers   []*truthServer
}

// truth is the whole repository, as random commits make it.
type truth struct {
	random *rand.Rand
	dcs    []*truthDC
	made   int
	minor  int
}

func newTruth(seed uint64, namespaces ...string) *truth {
	m := &truth{random: rand.New(rand.NewPCG(seed, seed))}
	for _, namespace := range namespaces {
		dc := &truthDC{namespace: namespace, versions: map[string]string{"a": "1.0", "b": "1.1"}, notes: map[string]string{}, groups: map[string]*truthGroup{
			"web": {profile: "a", maxUnavailable: "2", order: "Name", waves: []string{"{name: canary, size: 1}"}},
			"db":  {profile: "b", maxUnavailable: "2", order: "Name"},
		}}
		m.dcs = append(m.dcs, dc)
		for i := range 12 {
			m.add(dc, []string{"web", "web", "db"}[i%3])
		}
	}
	return m
}

func (m *truth) add(dc *truthDC, group string) {
	m.made++
	dc.servers = append(dc.servers, &truthServer{number: m.made, group: group, rack: fmt.Sprintf("r%d", m.made%3), tier: []string{"canary", "main", "main"}[m.random.IntN(3)]})
}

// one of several.
func one[T any](m *truth, all []T) T { return all[m.random.IntN(len(all))] }

// mutations that a commit is made of.
var mutations = []struct {
	name  string
	times int
	do    func(*truth, *truthDC)
}{
	{"another OS", 6, func(m *truth, dc *truthDC) { dc.versions[one(m, []string{"a", "b"})] = m.version() }},
	{"another profile", 2, func(m *truth, dc *truthDC) { m.group(dc).profile = one(m, []string{"a", "b"}) }},
	{"other waves", 3, func(m *truth, dc *truthDC) { m.group(dc).waves = m.waves() }},
	{"another budget", 3, func(m *truth, dc *truthDC) {
		m.group(dc).maxUnavailable = one(m, []string{"1", "2", "3", "6", "25%", "50%"})
	}},
	{"another spread", 2, func(m *truth, dc *truthDC) { m.group(dc).spread = m.random.IntN(3) }},
	{"another order", 2, func(m *truth, dc *truthDC) { m.group(dc).order = one(m, []string{"Name", "Shuffled", "OldestFirst"}) }},
	{"a new server", 2, func(m *truth, dc *truthDC) { m.add(dc, one(m, []string{"web", "db", "spare"})) }},
	{"a server less", 1, func(m *truth, dc *truthDC) {
		if len(dc.servers) > 8 {
			at := m.random.IntN(len(dc.servers))
			dc.servers = slices.Delete(dc.servers, at, at+1)
		}
	}},
	{"a server in another group", 2, func(m *truth, dc *truthDC) { one(m, dc.servers).group = one(m, []string{"web", "db", "spare"}) }},
	{"a server in another wave", 1, func(m *truth, dc *truthDC) { one(m, dc.servers).tier = one(m, []string{"canary", "main"}) }},
	{"a server paused or not", 2, func(m *truth, dc *truthDC) { s := one(m, dc.servers); s.paused = !s.paused }},
	{"a label of a server", 1, func(m *truth, dc *truthDC) { one(m, dc.servers).note = "n" + strconv.Itoa(m.random.IntN(100)) }},
	{"a label of a profile", 1, func(m *truth, dc *truthDC) {
		dc.notes[one(m, []string{"a", "b"})] = "n" + strconv.Itoa(m.random.IntN(100))
	}},
}

// version that is new, or one from before.
func (m *truth) version() string {
	if m.minor > 2 && m.random.IntN(4) == 0 {
		return fmt.Sprintf("2.%d", 1+m.random.IntN(m.minor))
	}
	m.minor++
	return fmt.Sprintf("2.%d", m.minor)
}

func (m *truth) group(dc *truthDC) *truthGroup { return dc.groups[one(m, []string{"web", "db"})] }

func (m *truth) waves() []string {
	all := []string{"{name: canary, selector: {matchLabels: {tier: canary}}}", "{name: first, size: 1, soak: 100ms}", "{name: quarter, size: 25%}", "{name: some, size: 3}"}
	m.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:m.random.IntN(len(all))]
}

// mutate makes one to three changes, and names them.
func (m *truth) mutate() string {
	var bag []int
	for i := range mutations {
		for range mutations[i].times {
			bag = append(bag, i)
		}
	}
	var names []string
	for range 1 + m.random.IntN(3) {
		mutation := mutations[one(m, bag)]
		mutation.do(m, one(m, m.dcs))
		names = append(names, mutation.name)
	}
	return strings.Join(names, ", ")
}

// files of the repository.
func (m *truth) files() map[string]string {
	files := map[string]string{}
	const head = "---\napiVersion: stargate.io/v1alpha1\nkind: "
	for _, dc := range m.dcs {
		var out strings.Builder
		for _, name := range slices.Sorted(maps.Keys(dc.versions)) {
			fmt.Fprintf(&out, "%sProvisioningProfile\nmetadata: {name: %s, labels: {note: '%s'}}\nspec: {osVersion: '%s', osImage: 'https://images.example.com/%[4]s.img'}\n",
				head, name, dc.notes[name], dc.versions[name])
		}
		for _, name := range slices.Sorted(maps.Keys(dc.groups)) {
			g := dc.groups[name]
			fmt.Fprintf(&out, "%sServerGroup\nmetadata: {name: %s}\nspec:\n  selector: {matchLabels: {group: %[2]s}}\n  provisioningProfileRef: {name: %s}\n  rollout:\n    maxUnavailable: %s\n    order: %s\n    waves: [%s]\n",
				head, name, g.profile, g.maxUnavailable, g.order, strings.Join(g.waves, ", "))
			if g.spread > 0 {
				fmt.Fprintf(&out, "    spreadBy: rack\n    maxUnavailablePerSpread: %d\n", g.spread)
			}
		}
		for _, s := range dc.servers {
			fmt.Fprintf(&out, "%sServer\nmetadata: {name: s%03d, labels: {group: %s, rack: %s, tier: %s, note: '%s'}}\nspec: {mac: 'aa:bb:cc:ee:%02x:%02x', ipv4: 10.1.%d.%d, paused: %t}\n",
				head, s.number, s.group, s.rack, s.tier, s.note, s.number>>8, s.number&255, s.number>>8, s.number&255, s.paused)
		}
		files["datacenters/"+dc.namespace+"/all.yaml"] = out.String()
	}
	return files
}

// truthRoom is a fleet over two datacenters, with a working copy of its repository.
type truthRoom struct {
	*FleetRoom
	copy    string
	schemas *tree.Schemas
	rooms   map[string]*Room // by namespace
}

// TestPlanTellsTheTruth: for random commits, what `stargate plan` says of the working copy is what then
// happens: just these servers are repaved, once each, to what the commit says, in these waves. No wave
// begins at a site before the one before it has ended there. Within a wave a rollout makes its Operations
// in the order that was forecast; with spreadBy it does so rack by rack, since which rack has room first
// hangs on how long each repave takes. The guard holds what it was forecast to hold.
func TestPlanTellsTheTruth(t *testing.T) {
	t.Parallel()
	for _, seed := range []uint64{*truthSeed, *truthSeed + 1} {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			planTellsTheTruth(t, seed)
		})
	}
}

func planTellsTheTruth(t *testing.T, seed uint64) {
	t.Helper()
	r := newTruthRoom(t)
	most := intstr.FromString("40%")
	m := newTruth(seed, slices.Sorted(maps.Keys(r.rooms))...)
	r.Start(t, func(o *engine.Options) { o.Namespaces = slices.Collect(maps.Keys(r.rooms)) })
	r.Create(r.Fleet)
	began, repaves, held := time.Now(), 0, 0
	for n := range *truthCommits + 1 {
		what := "first"
		if n > 0 {
			what = m.mutate()
		}
		report := r.plan(m.files())
		got := r.happens(fmt.Sprintf("%d: %s", n, what), m.files(), report)
		repaves += got
		if !report.Guard.Allowed {
			held++
		}
		if n == 0 {
			r.guard(&most, all())
			r.Until(r.Fleet, "guarded", func() bool { return r.Fleet.Status.ObservedGeneration == r.Fleet.Generation })
		}
		if t.Failed() {
			t.Fatalf("commit %d (%s) of seed %d", n, what, seed)
		}
	}
	t.Logf("%d commits with %d repaves, %d held by the guard, in %s", *truthCommits, repaves, held, time.Since(began).Round(time.Second))
}

func newTruthRoom(t *testing.T) *truthRoom {
	t.Helper()
	r := &truthRoom{FleetRoom: NewWorld(t).FleetRoom(gitserver.Options{}), copy: t.TempDir(), rooms: map[string]*Room{}}
	r.Delete(r.DC())
	for _, namespace := range []string{r.Namespace, r.Cluster.Namespace(t)} {
		url, there := r.OpenSite(site.Config{Name: namespace, Duration: 40 * time.Millisecond})
		dc := &v1alpha1.Datacenter{Spec: v1alpha1.DatacenterSpec{Driver: v1alpha1.DriverDCAPI, Endpoint: url}}
		dc.Namespace, dc.Name = namespace, "fast"
		r.Create(dc)
		r.rooms[namespace] = &Room{World: r.World, Namespace: namespace, Site: there}
	}
	kinds, err := config.CRDs()
	if err != nil {
		t.Fatal(err)
	}
	var crds []*apiextensionsv1.CustomResourceDefinition
	for _, kind := range kinds {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(kind.Object, crd); err != nil {
			t.Fatal(err)
		}
		crds = append(crds, crd)
	}
	if r.schemas, err = tree.Compile(crds); err != nil {
		t.Fatal(err)
	}
	return r
}

// plan is what `stargate plan` says of the working copy.
func (r *truthRoom) plan(files map[string]string) *planning.Report {
	r.Helper()
	for name, content := range files {
		path := filepath.Join(r.copy, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			r.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			r.Fatal(err)
		}
	}
	world, err := planning.Gather(r.Context(), r.list, time.Now())
	if err != nil {
		r.Fatal(err)
	}
	read, err := planning.Wish{Dir: r.copy}.Get(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	r.Refresh(r.Fleet)
	report, err := planning.Plan(planning.Options{World: world, Read: read, Fleet: r.Fleet, At: time.Now(), Schemas: r.schemas,
		ForbidNamespaces: []string{config.SystemNamespace}, Forecast: true})
	if err != nil {
		r.Fatal(err)
	}
	return report
}

// list what a person who may see these two namespaces sees.
func (r *truthRoom) list(ctx context.Context, empty client.ObjectList) ([]client.Object, error) {
	if err := r.Client.List(ctx, empty); err != nil {
		return nil, err
	}
	var objects []client.Object
	err := meta.EachListItem(empty, func(item runtime.Object) error {
		object := item.(client.Object) //nolint:forcetypeassert // items of an ObjectList are Objects
		if object.GetNamespace() == "" && object.GetName() == r.Fleet.Name || r.rooms[object.GetNamespace()] != nil {
			objects = append(objects, object)
		}
		return nil
	})
	return objects, err
}

// truthJob is one repave, as it was forecast or as it was.
type truthJob struct {
	group, wave, server string
}

// happens pushes a commit, lets it run to its end, and compares that with what was forecast; it gives how
// many repaves there were.
func (r *truthRoom) happens(what string, files map[string]string, report *planning.Report) int {
	r.Helper()
	since := map[string]int64{}
	for namespace, room := range r.rooms {
		since[namespace] = int64(len(room.Site.Record()))
	}
	before := map[string]bool{}
	for _, op := range r.operations() {
		before[op.Namespace+"/"+op.Name] = true
	}
	commit := r.sync(what, files)
	if !report.Guard.Allowed {
		r.UntilReady(v1alpha1.ReasonApprovalRequired, commit[:7], report.Guard.Message)
		r.annotate(v1alpha1.AnnotationApprove, commit)
	}
	r.UntilApplied(commit)
	approved := r.Fleet.Status.History[0].ApprovedBy != ""
	if approved == report.Guard.Allowed {
		r.Errorf("%s: approved %v, and the guard was forecast to allow it: %v", what, approved, report.Guard.Allowed)
	}
	counted(r, what, report)
	total := 0
	for namespace, room := range r.rooms {
		forecast, spread := forecastOf(report, namespace), r.spreads(namespace)
		actual := map[string][]truthJob{}
		for _, op := range r.made(namespace, before) {
			group := op.Labels[v1alpha1.LabelGroup]
			actual[group] = append(actual[group], truthJob{group: group, wave: op.Annotations[rollout.AnnotationWave], server: op.Spec.ServerRef.Name})
		}
		for group := range union(forecast, actual) {
			sameJobs(r, what+": "+namespace+"/"+group, forecast[group], actual[group], spread[group])
		}
		r.asRecorded(what, room.Site.RecordSince(since[namespace]), forecast, r.osOf(namespace))
		for _, jobs := range actual {
			total += len(jobs)
		}
	}
	return total
}

// counted fails where the plan names a server as one to be repaved that it neither starts nor skips.
func counted(r *truthRoom, what string, report *planning.Report) {
	r.Helper()
	known := map[string]bool{}
	for _, group := range report.Groups {
		for _, wave := range group.Waves {
			for _, server := range wave.Servers {
				known[group.Namespace+"/"+group.Name+"/"+server] = true
			}
		}
		for _, skipped := range group.Skipped {
			known[group.Namespace+"/"+group.Name+"/"+skipped.Server] = true
		}
	}
	for _, repave := range report.Repaves {
		for _, server := range repave.Servers {
			if !known[repave.Namespace+"/"+repave.Group+"/"+server] {
				r.Errorf("%s: %s of %s/%s would be repaved, and no wave has it", what, server, repave.Namespace, repave.Group)
			}
		}
	}
}

func (r *truthRoom) operations() []v1alpha1.Operation {
	r.Helper()
	list := &v1alpha1.OperationList{}
	var all []v1alpha1.Operation
	for namespace := range r.rooms {
		if err := r.Client.List(r.Context(), list, client.InNamespace(namespace)); err != nil {
			r.Fatal(err)
		}
		all = append(all, list.Items...)
	}
	return all
}

// made gives the Operations that rollouts have made since, in the order of their number, which is the last
// part of their names.
func (r *truthRoom) made(namespace string, before map[string]bool) []v1alpha1.Operation {
	r.Helper()
	all := slices.DeleteFunc(r.operations(), func(op v1alpha1.Operation) bool {
		return op.Namespace != namespace || before[op.Namespace+"/"+op.Name] || op.Labels[v1alpha1.LabelGroup] == ""
	})
	number := func(op v1alpha1.Operation) int {
		parts := strings.Split(op.Name, "-")
		n, err := strconv.Atoi(parts[len(parts)-1])
		if err != nil {
			r.Fatalf("Operation %s has no number", op.Name)
		}
		return n
	}
	slices.SortFunc(all, func(a, b v1alpha1.Operation) int { return number(a) - number(b) })
	return all
}

// forecastOf a namespace, by group, in the order of waves and starts.
func forecastOf(report *planning.Report, namespace string) map[string][]truthJob {
	jobs := map[string][]truthJob{}
	for _, group := range report.Groups {
		if group.Namespace != namespace {
			continue
		}
		for _, wave := range group.Waves {
			for _, server := range wave.Servers {
				jobs[group.Name] = append(jobs[group.Name], truthJob{group: group.Name, wave: wave.Name, server: server})
			}
		}
	}
	return jobs
}

func union(a, b map[string][]truthJob) map[string]bool {
	all := map[string]bool{}
	for group := range a {
		all[group] = true
	}
	for group := range b {
		all[group] = true
	}
	return all
}

// spreads gives, for the groups that spread, the rack of each server.
func (r *truthRoom) spreads(namespace string) map[string]map[string]string {
	r.Helper()
	groups, servers := &v1alpha1.ServerGroupList{}, &v1alpha1.ServerList{}
	for _, list := range []client.ObjectList{groups, servers} {
		if err := r.Client.List(r.Context(), list, client.InNamespace(namespace)); err != nil {
			r.Fatal(err)
		}
	}
	racks := map[string]string{}
	for i := range servers.Items {
		racks[servers.Items[i].Name] = servers.Items[i].Labels["rack"]
	}
	all := map[string]map[string]string{}
	for i := range groups.Items {
		if groups.Items[i].Spec.Rollout.SpreadBy != "" {
			all[groups.Items[i].Name] = racks
		}
	}
	return all
}

// osOf gives the OS that each group's profile says now.
func (r *truthRoom) osOf(namespace string) map[string]string {
	r.Helper()
	groups := &v1alpha1.ServerGroupList{}
	if err := r.Client.List(r.Context(), groups, client.InNamespace(namespace)); err != nil {
		r.Fatal(err)
	}
	versions := map[string]string{}
	for i := range groups.Items {
		profile := Profile(namespace, groups.Items[i].Spec.ProvisioningProfileRef.Name, "")
		r.Refresh(profile)
		versions[groups.Items[i].Name] = profile.Spec.OSVersion
	}
	return versions
}

// sameJobs compares the jobs of one group: which, in which wave, in which order.
func sameJobs(r *truthRoom, what string, forecast, actual []truthJob, racks map[string]string) {
	r.Helper()
	lane := func(jobs []truthJob) map[string][]truthJob {
		byLane := map[string][]truthJob{}
		for _, job := range jobs {
			byLane[racks[job.server]] = append(byLane[racks[job.server]], job)
		}
		return byLane
	}
	want, got := lane(forecast), lane(actual)
	for rack := range union(want, got) {
		if !slices.Equal(want[rack], got[rack]) {
			r.Errorf("%s %s: forecast %v\nhappened %v", what, rack, want[rack], got[rack])
		}
	}
}

// asRecorded compares with what the site did: one job for each server that was forecast, with the OS of
// the group's profile, and no job of a wave before the end of all those of the wave before it.
func (r *truthRoom) asRecorded(what string, record []site.Event, forecast map[string][]truthJob, versions map[string]string) {
	r.Helper()
	began, ended := map[string]int64{}, map[string]int64{}
	given := map[string]string{}
	for _, event := range record {
		switch event.Kind {
		case site.Accepted:
			if began[event.ServerID] != 0 {
				r.Errorf("%s: the site made two jobs for %s", what, event.ServerID)
			}
			began[event.ServerID], given[event.ServerID] = event.Seq, event.Job.OSVersion
		case site.Ended:
			ended[event.ServerID] = event.Seq
		default:
		}
	}
	for group, jobs := range forecast {
		through, last, wave := int64(0), int64(0), ""
		for _, job := range jobs {
			if job.wave != wave {
				through, wave = last, job.wave
			}
			if began[job.server] <= through || ended[job.server] <= began[job.server] {
				r.Errorf("%s: %s of wave %s of group %s began at %d and ended at %d of the record; the wave before it ended at %d",
					what, job.server, job.wave, group, began[job.server], ended[job.server], through)
			}
			if given[job.server] != versions[group] {
				r.Errorf("%s: the site gave %s %s, not %s", what, job.server, given[job.server], versions[group])
			}
			last = max(last, ended[job.server])
			delete(given, job.server)
		}
	}
	if len(given) > 0 {
		r.Errorf("%s: the site gave, beside what was forecast, %v", what, given)
	}
}
