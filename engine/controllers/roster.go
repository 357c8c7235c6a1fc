package controllers

import (
	"maps"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
)

// roster knows which servers each group selects, as the watches tell it. A server's change costs one
// match with each selector of its namespace, and only where its labels changed; a look at a group costs
// nothing for what is of other groups. It holds the cache's own objects, which nobody may change.
type roster struct {
	mu     sync.RWMutex
	rooms  map[string]*rosterRoom
	fleets map[string]int
}

// rosterRoom is a namespace.
type rosterRoom struct {
	servers map[string]*v1alpha1.Server
	groups  map[string]*rosterGroup
	// of names, for each server, the groups that select it; by order of their names.
	of map[string][]string
	// holding names, for each server, the groups whose rollout has taken it.
	holding map[string]map[string]bool
}

// rosterGroup is a group with its selector compiled.
type rosterGroup struct {
	uid            types.UID
	generation     int64
	selector       labels.Selector
	profile, fleet string
	servers        map[string]bool
	// held are the servers that its rollout has taken.
	held []string
}

func newRoster() *roster {
	return &roster{rooms: map[string]*rosterRoom{}, fleets: map[string]int{}}
}

func (r *roster) room(namespace string) *rosterRoom {
	room := r.rooms[namespace]
	if room == nil {
		room = &rosterRoom{servers: map[string]*v1alpha1.Server{}, groups: map[string]*rosterGroup{},
			of: map[string][]string{}, holding: map[string]map[string]bool{}}
		r.rooms[namespace] = room
	}
	return room
}

// setServer notes a server as it is now, and gives the groups that it concerns: those that select it
// now or did before, and those that have taken it.
func (r *roster) setServer(server *v1alpha1.Server) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	room := r.room(server.Namespace)
	before := room.servers[server.Name]
	room.servers[server.Name] = server
	if before != nil && maps.Equal(before.Labels, server.Labels) {
		return room.concerned(server.Name, nil)
	}
	r.count(before, -1)
	r.count(server, +1)
	were := room.of[server.Name]
	room.place(server)
	return room.concerned(server.Name, were)
}

// dropServer forgets a server that is gone, and gives the groups that it concerned.
func (r *roster) dropServer(server *v1alpha1.Server) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	room := r.room(server.Namespace)
	r.count(room.servers[server.Name], -1)
	delete(room.servers, server.Name)
	were := room.of[server.Name]
	for _, name := range were {
		delete(room.groups[name].servers, server.Name)
	}
	delete(room.of, server.Name)
	return room.concerned(server.Name, were)
}

func (r *roster) count(server *v1alpha1.Server, by int) {
	if server == nil || server.Labels[v1alpha1.LabelFleet] == "" {
		return
	}
	fleet := server.Labels[v1alpha1.LabelFleet]
	if r.fleets[fleet] += by; r.fleets[fleet] == 0 {
		delete(r.fleets, fleet)
	}
}

// place matches a server with every group.
func (room *rosterRoom) place(server *v1alpha1.Server) {
	var of []string
	for name, group := range room.groups {
		if group.selector.Matches(labels.Set(server.Labels)) {
			group.servers[server.Name] = true
			of = append(of, name)
		} else {
			delete(group.servers, server.Name)
		}
	}
	room.setOf(server.Name, of)
}

func (room *rosterRoom) setOf(server string, groups []string) {
	if len(groups) == 0 {
		delete(room.of, server)
		return
	}
	slices.Sort(groups)
	room.of[server] = groups
}

// concerned are the groups that select a server, those that did, and those that have taken it.
func (room *rosterRoom) concerned(server string, before []string) []string {
	all := slices.Concat(room.of[server], before)
	for name := range room.holding[server] {
		all = append(all, name)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// setGroup notes a group's selector, and gives the groups that select any of the servers that it selects
// now or did before. What is older than what is known changes nothing.
func (r *roster) setGroup(group *v1alpha1.ServerGroup) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	room := r.room(group.Namespace)
	known := room.groups[group.Name]
	if known != nil && known.uid == group.UID && known.generation >= group.Generation {
		known.fleet = group.Labels[v1alpha1.LabelFleet]
		return nil
	}
	selector, err := group.Spec.Selector.Selector()
	if err != nil {
		selector = labels.Nothing() // which the API server lets nobody write
	}
	concerned := room.forget(group.Name)
	entry := &rosterGroup{uid: group.UID, generation: group.Generation, selector: selector, profile: group.Spec.ProvisioningProfileRef.Name,
		fleet: group.Labels[v1alpha1.LabelFleet], servers: map[string]bool{}}
	room.groups[group.Name] = entry
	for name, server := range room.servers {
		if selector.Matches(labels.Set(server.Labels)) {
			entry.servers[name] = true
			room.setOf(name, append(slices.Clone(room.of[name]), group.Name))
			concerned = append(concerned, room.of[name]...)
		}
	}
	slices.Sort(concerned)
	return slices.Compact(concerned)
}

// knows tells whether a group's selector is known as it is.
func (r *roster) knows(group metav1.Object) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	room := r.rooms[group.GetNamespace()]
	if room == nil {
		return false
	}
	known := room.groups[group.GetName()]
	return known != nil && known.uid == group.GetUID() && known.generation >= group.GetGeneration()
}

// groups counts those of a namespace, or, where that is empty, all.
func (r *roster) groups(namespace string) (count int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for name, room := range r.rooms {
		if namespace == "" || name == namespace {
			count += len(room.groups)
		}
	}
	return count
}

// selecting gives the first group, by name, that selects a server as it is, whatever the watch has told of
// the server; empty for none.
func (r *roster) selecting(server *v1alpha1.Server) (first string) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	room := r.rooms[server.Namespace]
	if room == nil {
		return ""
	}
	for name, group := range room.groups {
		if (first == "" || name < first) && group.selector.Matches(labels.Set(server.Labels)) {
			first = name
		}
	}
	return first
}

// dropGroup forgets a group that is gone, and gives those that share a server with it.
func (r *roster) dropGroup(group *v1alpha1.ServerGroup) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	room := r.room(group.Namespace)
	if known := room.groups[group.Name]; known == nil || known.uid != group.UID {
		return nil
	}
	return room.forget(group.Name)
}

// forget a group, and give those that share a server with it.
func (room *rosterRoom) forget(name string) []string {
	known := room.groups[name]
	if known == nil {
		return nil
	}
	var concerned []string
	for server := range known.servers {
		concerned = append(concerned, room.of[server]...)
		room.setOf(server, slices.DeleteFunc(slices.Clone(room.of[server]), func(each string) bool { return each == name }))
	}
	room.hold(name, nil)
	delete(room.groups, name)
	slices.Sort(concerned)
	return slices.Compact(concerned)
}

// hold notes which servers a group's rollout has taken.
func (room *rosterRoom) hold(name string, servers []string) {
	known := room.groups[name]
	if known == nil {
		return
	}
	for _, server := range known.held {
		if delete(room.holding[server], name); len(room.holding[server]) == 0 {
			delete(room.holding, server)
		}
	}
	for _, server := range servers {
		if room.holding[server] == nil {
			room.holding[server] = map[string]bool{}
		}
		room.holding[server][name] = true
	}
	known.held = servers
}

// members are the servers that a group selects or its rollout has taken, and for each that another group
// selects too the name of that.
func (r *roster) members(group *v1alpha1.ServerGroup) (servers []*v1alpha1.Server, shared map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	room, shared := r.room(group.Namespace), map[string]string{}
	known := room.groups[group.Name]
	if known == nil {
		return nil, shared
	}
	held := make([]string, 0, len(group.Status.InFlight))
	for i := range group.Status.InFlight {
		name := group.Status.InFlight[i].Server
		held = append(held, name)
		if server := room.servers[name]; server != nil && !known.servers[name] {
			servers = append(servers, server)
		}
	}
	room.hold(group.Name, held)
	for name := range known.servers {
		servers = append(servers, room.servers[name])
		for _, other := range room.of[name] {
			if other != group.Name {
				shared[name] = other
				break
			}
		}
	}
	return servers, shared
}

// guarded counts the servers that a percentage of the guard is of: those of the fleet, or of the
// namespace where there is none.
func (r *roster) guarded(namespace, fleet string) int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if fleet != "" {
		return r.fleets[fleet]
	}
	if room := r.rooms[namespace]; room != nil {
		return len(room.servers)
	}
	return 0
}

// ofServer gives the groups that a server concerns.
func (r *roster) ofServer(namespace, server string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if room := r.rooms[namespace]; room != nil {
		return room.concerned(server, nil)
	}
	return nil
}

// groupOf gives the first group, by name, that selects a server; empty for none.
func (r *roster) groupOf(namespace, server string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if room := r.rooms[namespace]; room != nil && len(room.of[server]) > 0 {
		return room.of[server][0]
	}
	return ""
}

// server of a name, as last told; nil where there is none.
func (r *roster) server(namespace, name string) *v1alpha1.Server {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if room := r.rooms[namespace]; room != nil {
		return room.servers[name]
	}
	return nil
}

// has tells whether a server was placed that is there.
func (r *roster) has(server *v1alpha1.Server) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	room := r.rooms[server.Namespace]
	return room != nil && room.servers[server.Name] != nil && room.servers[server.Name].UID == server.UID
}

// inNamespace lists the servers of a namespace, or, where that is empty, all.
func (r *roster) inNamespace(namespace string) (servers []*v1alpha1.Server) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for name, room := range r.rooms {
		if namespace == "" || name == namespace {
			servers = slices.AppendSeq(servers, maps.Values(room.servers))
		}
	}
	return servers
}

// ofProfile gives the groups that name a profile.
func (r *roster) ofProfile(namespace, profile string) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var names []string
	if room := r.rooms[namespace]; room != nil {
		for name, group := range room.groups {
			if group.profile == profile {
				names = append(names, name)
			}
		}
	}
	return names
}

// ofFleet gives the groups that come from a fleet.
func (r *roster) ofFleet(fleet string) []types.NamespacedName {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var keys []types.NamespacedName
	for namespace, room := range r.rooms {
		for name, group := range room.groups {
			if group.fleet == fleet {
				keys = append(keys, types.NamespacedName{Namespace: namespace, Name: name})
			}
		}
	}
	return keys
}
