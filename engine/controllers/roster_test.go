package controllers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"stargate.io/stargate/api/v1alpha1"
)

// rosterTwin knows the same by looking at everything each time.
type rosterTwin struct {
	servers map[string]*v1alpha1.Server
	groups  map[string]*v1alpha1.ServerGroup
}

func (w *rosterTwin) of(server *v1alpha1.Server) []string {
	var names []string
	for name, group := range w.groups {
		if server != nil && selectorOf(group).Matches(labels.Set(server.Labels)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func selectorOf(group *v1alpha1.ServerGroup) labels.Selector {
	selector, err := group.Spec.Selector.Selector()
	if err != nil {
		panic(err)
	}
	return selector
}

// describe says what is known of a group: its members, with who else selects them.
func describeMembers(servers []*v1alpha1.Server, shared map[string]string) string {
	lines := make([]string, 0, len(servers))
	for _, server := range servers {
		lines = append(lines, fmt.Sprintf("%s@%s with %q", server.Name, server.ResourceVersion, shared[server.Name]))
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

func (w *rosterTwin) describe(group *v1alpha1.ServerGroup) string {
	var servers []*v1alpha1.Server
	shared := map[string]string{}
	for name, server := range w.servers {
		of := w.of(server)
		held := slices.ContainsFunc(group.Status.InFlight, func(slot v1alpha1.InFlightServer) bool { return slot.Server == name })
		if !slices.Contains(of, group.Name) && !held {
			continue
		}
		servers = append(servers, server)
		for _, other := range of {
			if other != group.Name && slices.Contains(of, group.Name) && shared[name] == "" {
				shared[name] = other
			}
		}
	}
	return describeMembers(servers, shared)
}

// TestRosterKnowsWhatALookAtEverythingTells lives random lives of servers and groups beside a twin, and
// checks that whoever a change concerns is told.
func TestRosterKnowsWhatALookAtEverythingTells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, twin := newRoster(), &rosterTwin{servers: map[string]*v1alpha1.Server{}, groups: map[string]*v1alpha1.ServerGroup{}}
		for step := range rapid.IntRange(1, 40).Draw(t, "steps") {
			before := map[string]string{}
			for name, group := range twin.groups {
				before[name] = twin.describe(group)
			}
			told := happenTo(t, r, twin, step+1)
			for name, group := range twin.groups {
				want := twin.describe(group)
				servers, shared := r.members(group)
				if got := describeMembers(servers, shared); got != want {
					t.Fatalf("group %s has %s, not %s", name, got, want)
				}
				if was, known := before[name]; known && was != want && !slices.Contains(told, name) {
					t.Fatalf("group %s was %s, is %s, and was not told", name, was, want)
				}
			}
			if got := r.guarded("room", ""); got != len(twin.servers) {
				t.Fatalf("%d servers are guarded, not %d", got, len(twin.servers))
			}
			if got, want := r.guarded("room", "prod"), twin.ofFleet("prod"); got != want {
				t.Fatalf("%d servers of the fleet are guarded, not %d", got, want)
			}
		}
	})
}

func (w *rosterTwin) ofFleet(fleet string) (n int) {
	for _, server := range w.servers {
		if server.Labels[v1alpha1.LabelFleet] == fleet {
			n++
		}
	}
	return n
}

// happenTo lets one thing happen to both, and gives the groups that were told.
func happenTo(t *rapid.T, r *roster, twin *rosterTwin, step int) []string {
	role := v1alpha1.LabelValue(rapid.SampledFrom([]string{"web", "db"}).Draw(t, "role"))
	switch rapid.IntRange(0, 5).Draw(t, "what") {
	case 0, 1, 2:
		name := fmt.Sprintf("server-%d", rapid.IntRange(1, 4).Draw(t, "server"))
		if rapid.IntRange(0, 4).Draw(t, "gone") == 0 {
			if server := twin.servers[name]; server != nil {
				delete(twin.servers, name)
				return r.dropServer(server)
			}
			return nil
		}
		server := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Namespace: "room", Name: name, ResourceVersion: fmt.Sprint(step), Labels: map[string]string{"role": string(role)}}}
		if rapid.Bool().Draw(t, "of a fleet") {
			server.Labels[v1alpha1.LabelFleet] = "prod"
		}
		twin.servers[name] = server
		return r.setServer(server)
	}
	name := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "group")
	before := twin.groups[name]
	if before != nil && rapid.IntRange(0, 3).Draw(t, "gone") == 0 {
		delete(twin.groups, name)
		return r.dropGroup(before)
	}
	group := &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "room", Name: name, UID: types.UID(name), Generation: int64(step)}}
	if before != nil && rapid.Bool().Draw(t, "anew") {
		group.UID = types.UID(fmt.Sprint(name, step))
	}
	group.Spec.Selector.MatchLabels = map[string]v1alpha1.LabelValue{"role": role}
	if server := rapid.SampledFrom([]string{"", "server-1"}).Draw(t, "in flight"); server != "" {
		group.Status.InFlight = []v1alpha1.InFlightServer{{Server: server}}
	}
	twin.groups[name] = group
	return append(r.setGroup(group), name)
}

// TestRosterOfOldNews: what is older than what is known changes nothing.
func TestRosterOfOldNews(t *testing.T) {
	r := newRoster()
	group := &v1alpha1.ServerGroup{ObjectMeta: metav1.ObjectMeta{Namespace: "room", Name: "web", UID: "1", Generation: 2}}
	group.Spec.Selector.MatchLabels = map[string]v1alpha1.LabelValue{"role": "web"}
	r.setServer(&v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Namespace: "room", Name: "s", Labels: map[string]string{"role": "web"}}})
	r.setGroup(group)
	old := group.DeepCopy()
	old.Generation, old.Spec.Selector.MatchLabels = 1, map[string]v1alpha1.LabelValue{"role": "db"}
	r.setGroup(old)
	another := group.DeepCopy()
	another.UID = "2"
	if r.dropGroup(another) != nil {
		t.Error("another group of that name was dropped")
	}
	if servers, shared := r.members(group); len(servers) != 1 || len(maps.Clone(shared)) != 0 {
		t.Errorf("the group has %v, shared %v", servers, shared)
	}
	if got := r.ofProfile("room", ""); len(got) != 1 {
		t.Errorf("groups of the profile: %v", got)
	}
}
