package forecast

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/ledger"
	"stargate.io/stargate/engine/rollout"
)

type key struct{ namespace, name string }

// world is what changes while the clock runs. Everything in it is a copy.
type world struct {
	in    *Input
	late  bool
	now   time.Time
	step  time.Duration
	sites sites

	machines map[key]*machine
	lanes    []*lane
	gate     *ledger.Ledger
	waiting  map[ledger.Key]*run
	ends     endings
	// asks are when Operations that wait are to be asked for again by the clock alone.
	asks     endings
	profiles map[key]*v1alpha1.ProvisioningProfile
	denied   []Denied
	made     int
	ended    int
	starts   []Start
	changes  []change
	// dirty lanes are to be decided on.
	dirty []*lane
	// decisions taken so far.
	decisions int
	cut       bool
}

// machine is a Server as the forecast goes on.
type machine struct {
	server v1alpha1.Server
	lanes  []*lane
	up     bool
	// touched before the forecast: one that never was serves nobody, and its absence is no loss.
	touched bool
}

// run is an Operation on its way.
type run struct {
	op      *v1alpha1.Operation
	machine *machine
	lane    *lane // that made it; nil for what lives already
	lanes   []*lane
	wave    *wave
	made    time.Time
	number  int
	lasts   time.Duration
	// hash and version that it puts on the machine.
	hash, version string
	// again is when it is asked for again by the clock alone.
	again time.Time
}

func newWorld(in *Input, late bool) *world {
	w := &world{
		in: in, late: late, now: in.Now, step: in.Step, sites: sitesOf(in.Datacenters),
		machines: make(map[key]*machine, len(in.Servers)), gate: ledger.New(), waiting: map[ledger.Key]*run{},
	}
	if w.step <= 0 {
		w.step = time.Second
	}
	all := make([]machine, len(in.Servers))
	for i, server := range in.Servers {
		all[i].server = *server
		if server.UID == "" {
			all[i].server.UID = types.UID("new/" + server.Namespace + "/" + server.Name)
		}
		all[i].up, all[i].touched = ledger.Up(&all[i].server), server.Status.State != v1alpha1.ServerUntouched
		w.machines[key{server.Namespace, server.Name}] = &all[i]
	}
	w.settle()
	w.gate.Rebuild(nil)
	w.takeUpPolicies()
	w.carryOn()
	return w
}

// settle gives each group its servers, by name.
func (w *world) settle() {
	w.profiles = make(map[key]*v1alpha1.ProvisioningProfile, len(w.in.Profiles))
	for _, profile := range w.in.Profiles {
		w.profiles[key{profile.Namespace, profile.Name}] = profile
	}
	fleets, ofFleet, ofNamespace := map[string]*v1alpha1.Fleet{}, map[string]int{}, map[string]int{}
	for _, fleet := range w.in.Fleets {
		fleets[fleet.Name] = fleet
	}
	byNamespace := map[string][]*machine{}
	for _, server := range w.in.Servers {
		ofFleet[server.Labels[v1alpha1.LabelFleet]]++
		ofNamespace[server.Namespace]++
		byNamespace[server.Namespace] = append(byNamespace[server.Namespace], w.machines[key{server.Namespace, server.Name}])
	}
	for _, machines := range byNamespace {
		slices.SortFunc(machines, func(a, b *machine) int { return cmp.Compare(a.server.Name, b.server.Name) })
	}
	choosers := map[string]*chooser{}
	groups := slices.Clone(w.in.Groups)
	slices.SortFunc(groups, func(a, b *v1alpha1.ServerGroup) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for _, group := range groups {
		if group.DeletionTimestamp != nil {
			continue
		}
		l := w.newLane(group, w.profiles[key{group.Namespace, group.Spec.ProvisioningProfileRef.Name}])
		name := group.Labels[v1alpha1.LabelFleet]
		l.snapshot.FleetName, l.snapshot.Fleet = name, fleets[name]
		l.snapshot.Guarded = ofNamespace[group.Namespace]
		if l.snapshot.Fleet != nil {
			l.snapshot.Guarded = ofFleet[name]
		}
		l.number = len(w.lanes)
		w.lanes = append(w.lanes, l)
		choosers[group.Namespace] = choosers[group.Namespace].with(l)
	}
	for namespace, machines := range byNamespace {
		for _, m := range machines {
			choosers[namespace].each(m.server.Labels, func(l *lane) { l.join(m) })
		}
	}
	w.share()
}

// newLane of a group, with its profile; nil where that is not there.
func (w *world) newLane(group *v1alpha1.ServerGroup, profile *v1alpha1.ProvisioningProfile) *lane {
	own := *group
	own.Annotations = maps.Clone(group.Annotations)
	if own.Annotations == nil {
		own.Annotations = map[string]string{}
	}
	if own.UID == "" {
		own.UID = types.UID("new/" + group.Namespace + "/" + group.Name)
	}
	l := &lane{group: &own, dirty: true, waves: map[string]*wave{}}
	l.snapshot = rollout.Snapshot{
		Group: &own, Profile: rollout.Profile{Name: group.Spec.ProvisioningProfileRef.Name},
		Operations: map[string]*v1alpha1.Operation{}, Gone: map[string]bool{}, SharedWith: map[string]string{}, Conflicts: map[string][]string{},
	}
	if profile == nil {
		return l
	}
	hash, known := w.in.Hash(profile)
	if !known {
		// It is in the way of nothing: no server is recorded to have it.
		hash = "????????" + profile.Name
	}
	p := &l.snapshot.Profile
	p.Hash, p.Inputs, p.OSVersion = hash, rollout.Inputs(&own, &profile.Spec), profile.Spec.OSVersion
	if fleet := own.Labels[v1alpha1.LabelFleet]; fleet != "" && fleet == profile.Labels[v1alpha1.LabelFleet] {
		// Without a number that can be read it is of no apply.
		p.Apply, _ = strconv.ParseInt(profile.Annotations[v1alpha1.AnnotationApply], 10, 64)
	}
	return l
}

// join takes a machine that the group selects.
func (l *lane) join(m *machine) {
	if m.server.DeletionTimestamp != nil {
		return
	}
	m.lanes = append(m.lanes, l)
	l.machines = append(l.machines, m)
	l.snapshot.Servers = append(l.snapshot.Servers, &m.server)
	if m.up {
		l.up++
	}
	if m.touched {
		l.touched++
	}
	if l.has(&m.server) {
		l.unchanged++
	}
	healthy := meta.FindStatusCondition(m.server.Status.Conditions, v1alpha1.ConditionHealthy)
	if healthy != nil && healthy.Reason == v1alpha1.ReasonIdentityConflict {
		l.snapshot.Conflicts[m.server.Name] = []string{healthy.Message}
	}
}

// chooser finds the groups of a namespace that select a server without asking each: a group is asked only
// about servers that have the first of the labels that it names.
type chooser struct {
	byLabel map[[2]string][]choice
	// others name no label with its value.
	others []choice
}

type choice struct {
	lane     *lane
	selector labels.Selector
}

// with one more group; a nil chooser is one without any.
func (c *chooser) with(l *lane) *chooser {
	if c == nil {
		c = &chooser{byLabel: map[[2]string][]choice{}}
	}
	spec := &l.group.Spec.Selector
	selector, err := spec.Selector()
	if err != nil {
		return c // it selects nothing
	}
	one := choice{lane: l, selector: selector}
	if len(spec.MatchLabels) == 0 {
		c.others = append(c.others, one)
		return c
	}
	name := slices.Min(slices.Collect(maps.Keys(spec.MatchLabels)))
	at := [2]string{name, string(spec.MatchLabels[name])}
	c.byLabel[at] = append(c.byLabel[at], one)
	return c
}

// each calls take for the groups that select a server, in the order of their names.
func (c *chooser) each(set labels.Set, take func(*lane)) {
	if c == nil {
		return
	}
	var found []*lane
	ask := func(choices []choice) {
		for _, one := range choices {
			if one.selector.Matches(set) {
				found = append(found, one.lane)
			}
		}
	}
	for name, value := range set {
		ask(c.byLabel[[2]string{name, value}])
	}
	ask(c.others)
	slices.SortFunc(found, func(a, b *lane) int { return cmp.Compare(a.number, b.number) })
	for _, l := range found {
		take(l)
	}
}

// share says of servers that several groups select, which other one does.
func (w *world) share() {
	for _, l := range w.lanes {
		for _, m := range l.machines {
			if len(m.lanes) < 2 {
				continue
			}
			other := m.lanes[0]
			if other == l {
				other = m.lanes[1]
			}
			l.snapshot.SharedWith[m.server.Name] = other.group.Name
		}
	}
}

// sites by server.
type sites struct {
	byKey map[SiteKey]*v1alpha1.Datacenter
	// only one of a namespace; nil where there are several.
	only map[string]*v1alpha1.Datacenter
}

func sitesOf(datacenters []*v1alpha1.Datacenter) sites {
	s := sites{byKey: map[SiteKey]*v1alpha1.Datacenter{}, only: map[string]*v1alpha1.Datacenter{}}
	for _, dc := range datacenters {
		s.byKey[SiteKey{dc.Namespace, dc.Name}] = dc
		_, another := s.only[dc.Namespace]
		s.only[dc.Namespace] = dc
		if another {
			s.only[dc.Namespace] = nil
		}
	}
	return s
}

// of a server: its key, and the Datacenter where there is one.
func (s sites) of(server *v1alpha1.Server) (SiteKey, *v1alpha1.Datacenter) {
	if ref := server.Spec.DatacenterRef; ref != nil {
		at := SiteKey{server.Namespace, ref.Name}
		return at, s.byKey[at]
	}
	if dc := s.only[server.Namespace]; dc != nil {
		return SiteKey{dc.Namespace, dc.Name}, dc
	}
	return SiteKey{Namespace: server.Namespace}, nil
}

// SiteOf gives which Datacenter reaches each server.
func SiteOf(datacenters []*v1alpha1.Datacenter) func(*v1alpha1.Server) SiteKey {
	s := sitesOf(datacenters)
	return func(server *v1alpha1.Server) SiteKey {
		at, _ := s.of(server)
		return at
	}
}
