package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"stargate.io/stargate/api/v1alpha1"
)

// Hashes gives the hash over what reaches a server of a profile, as it is or would be recorded; known is
// false where its documents come from Secrets that cannot be read.
type Hashes func(*v1alpha1.ProvisioningProfile) (hash string, known bool)

// Repave of one server that follows from a commit.
type Repave struct {
	// Namespace of the group and the server.
	Namespace string
	// Group whose rollout does it, and Server that it is done to.
	Group, Server string
	// Profile that the server gets.
	Profile string
	// Why: what differs from what it had, or was to have. Repaves for the same reason share it.
	Why []Change
}

// Change of one field.
type Change struct {
	// Field by its name within the spec; "group" for the group that the server is in.
	Field string
	// Old and New value. A document that comes from a Secret is named, never quoted.
	Old, New string
}

// Repaves that follow from the change: of servers that would have to be repaved after it, and were not
// to be repaved to the same content by the same group already. Paused, quarantined and otherwise held
// servers count, since they would follow; those that two groups select do not, since neither touches
// them. The result is in the order of namespace, group and server as after has them.
func Repaves(before, after State, hashes Hashes) []Repave {
	contents := contents{hashes: hashes, of: map[*v1alpha1.ProvisioningProfile]string{}}
	was, will := contents.look(before), contents.look(after)
	reasons := reasons{known: map[reason][]Change{}}
	var repaves []Repave
	for _, group := range after.Groups {
		for _, server := range will.members[group] {
			if !will.behind(group, server) {
				continue
			}
			old := was.wanting[keyOf(server)]
			same := old.group != nil && old.group.Name == group.Name && was.content(old.group) == will.content(group)
			if same && sameMachine(old.server, server) && was.behind(old.group, old.server) {
				continue
			}
			repaves = append(repaves, Repave{
				Namespace: group.Namespace, Group: group.Name, Server: server.Name, Profile: group.Spec.ProvisioningProfileRef.Name,
				Why: reasons.of(was, old, will, group, server),
			})
		}
	}
	return repaves
}

// sameMachine tells whether both are one Server: not one that was made anew under its name.
func sameMachine(before, after *v1alpha1.Server) bool { return before.UID == after.UID }

// contents knows what each profile comes to.
type contents struct {
	hashes Hashes
	of     map[*v1alpha1.ProvisioningProfile]string
}

// content of a profile, as "hash:…" where the hash is known and "spec:…" where it is not. The latter is
// never what a server is recorded to have.
func (c contents) content(profile *v1alpha1.ProvisioningProfile) string {
	if known, found := c.of[profile]; found {
		return known
	}
	content := ""
	if hash, known := c.hashes(profile); known {
		content = "hash:" + hash
	} else {
		// Strings and structs of strings always marshal.
		text, _ := json.Marshal(profile.Spec)
		sum := sha256.Sum256(text)
		content = "spec:" + hex.EncodeToString(sum[:])
	}
	c.of[profile] = content
	return content
}

// wanting is a server with the group that wants something of it.
type wanting struct {
	group  *v1alpha1.ServerGroup
	server *v1alpha1.Server
}

// sight is a State, looked through.
type sight struct {
	contents contents
	profiles map[key]*v1alpha1.ProvisioningProfile
	// members of each group that no other group selects, in order.
	members map[*v1alpha1.ServerGroup][]*v1alpha1.Server
	// wanting by server; only those of members.
	wanting map[key]wanting
}

func (c contents) look(state State) *sight {
	s := &sight{
		contents: c, profiles: make(map[key]*v1alpha1.ProvisioningProfile, len(state.Profiles)),
		members: make(map[*v1alpha1.ServerGroup][]*v1alpha1.Server, len(state.Groups)), wanting: make(map[key]wanting, len(state.Servers)),
	}
	for _, profile := range state.Profiles {
		s.profiles[keyOf(profile)] = profile
	}
	selectors := selectorsOf(state.Groups)
	for _, server := range state.Servers {
		if server.DeletionTimestamp != nil {
			continue
		}
		if group := only(selectors[server.Namespace], server); group != nil {
			s.members[group] = append(s.members[group], server)
			s.wanting[keyOf(server)] = wanting{group: group, server: server}
		}
	}
	return s
}

// selecting is a group with its selector, read once.
type selecting struct {
	group    *v1alpha1.ServerGroup
	selector labels.Selector
}

// chooser finds the groups of a namespace that select a server without asking each: a group is asked only
// about servers that have the first of the labels that it names.
type chooser struct {
	byLabel map[key][]selecting
	// others name no label with its value.
	others []selecting
}

// selectorsOf the groups, by namespace. One that cannot be read selects nothing.
func selectorsOf(groups []*v1alpha1.ServerGroup) map[string]*chooser {
	byNamespace := map[string]*chooser{}
	for _, group := range groups {
		selector, err := group.Spec.Selector.Selector()
		if err != nil || group.DeletionTimestamp != nil {
			continue
		}
		c := byNamespace[group.Namespace]
		if c == nil {
			c = &chooser{byLabel: map[key][]selecting{}}
			byNamespace[group.Namespace] = c
		}
		one := selecting{group: group, selector: selector}
		if len(group.Spec.Selector.MatchLabels) == 0 {
			c.others = append(c.others, one)
			continue
		}
		name := slices.Min(slices.Collect(maps.Keys(group.Spec.Selector.MatchLabels)))
		at := key{name, string(group.Spec.Selector.MatchLabels[name])}
		c.byLabel[at] = append(c.byLabel[at], one)
	}
	return byNamespace
}

// only gives the one group that selects a server; nil where there is none, or more.
func only(c *chooser, server *v1alpha1.Server) *v1alpha1.ServerGroup {
	if c == nil {
		return nil
	}
	var found *v1alpha1.ServerGroup
	n := 0
	ask := func(all []selecting) {
		for _, each := range all {
			if each.selector.Matches(labels.Set(server.Labels)) {
				found = each.group
				n++
			}
		}
	}
	for name, value := range server.Labels {
		ask(c.byLabel[key{name, value}])
	}
	ask(c.others)
	if n != 1 {
		return nil
	}
	return found
}

// profile that a group names; nil where it is not there.
func (s *sight) profile(group *v1alpha1.ServerGroup) *v1alpha1.ProvisioningProfile {
	return s.profiles[key{namespace: group.Namespace, name: group.Spec.ProvisioningProfileRef.Name}]
}

// content that a group's servers should have; empty where its profile is not there.
func (s *sight) content(group *v1alpha1.ServerGroup) string {
	if profile := s.profile(group); profile != nil {
		return s.contents.content(profile)
	}
	return ""
}

// has gives the content that a server is recorded to have, or will be once it is adopted as it is; empty
// for one of which nothing is known.
func (s *sight) has(server *v1alpha1.Server) string {
	if server.Status.Applied != nil && server.Status.State != v1alpha1.ServerUntouched {
		return "hash:" + server.Status.Applied.Hash
	}
	if server.Spec.Adopt != nil && server.Status.State == v1alpha1.ServerUntouched && server.Status.LastOperation == nil {
		if profile := s.profiles[key{namespace: server.Namespace, name: server.Spec.Adopt.Profile}]; profile != nil {
			return s.contents.content(profile)
		}
	}
	return ""
}

// behind tells whether the group would repave the server, as things are.
func (s *sight) behind(group *v1alpha1.ServerGroup, server *v1alpha1.Server) bool {
	wanted := s.content(group)
	return wanted != "" && s.has(server) != wanted && !s.left(group, server, wanted)
}

// left tells whether the server differs within the revision of the group, which leaves it so: somebody
// repaved it by hand.
func (s *sight) left(group *v1alpha1.ServerGroup, server *v1alpha1.Server, wanted string) bool {
	revision, applied := &group.Status.Revision, server.Status.Applied
	return group.Spec.Rollout.OnDrift != v1alpha1.DriftRepave && applied != nil && wanted == "hash:"+revision.ProfileHash &&
		revision.StartedAt != nil && applied.At.After(revision.StartedAt.Time)
}
