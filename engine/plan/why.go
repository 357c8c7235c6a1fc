package plan

import (
	"stargate.io/stargate/api/v1alpha1"
)

// reason is what repaves have in common that are made for the same one.
type reason struct {
	old, wanted   *v1alpha1.ProvisioningProfile
	before, after string
	applied       string
}

// reasons tells each reason once, whatever the number of servers.
type reasons struct {
	known map[reason][]Change
}

// of gives why a server would be repaved.
func (r reasons) of(was *sight, old wanting, will *sight, group *v1alpha1.ServerGroup, server *v1alpha1.Server) []Change {
	wanted := will.profile(group)
	why := reason{wanted: wanted, after: group.Name}
	if old.group != nil {
		why.before = old.group.Name
	}
	if server.Status.Applied != nil {
		why.applied = server.Status.Applied.OSVersion
		why.old = was.recorded(old.group, server)
	}
	if known, found := r.known[why]; found {
		return known
	}
	changes := why.changes()
	r.known[why] = changes
	return changes
}

// recorded gives the profile whose content the server is recorded to have, as it is now; nil where that
// is no longer known.
func (s *sight) recorded(group *v1alpha1.ServerGroup, server *v1alpha1.Server) *v1alpha1.ProvisioningProfile {
	if group != nil {
		if profile := s.profile(group); profile != nil && s.trusted(profile, server) {
			return profile
		}
	}
	profile := s.profiles[key{namespace: server.Namespace, name: server.Status.Applied.Profile}]
	if profile != nil && s.trusted(profile, server) {
		return profile
	}
	return nil
}

// trusted tells whether the server has what the profile says, as far as can be told.
func (s *sight) trusted(profile *v1alpha1.ProvisioningProfile, server *v1alpha1.Server) bool {
	content := s.contents.content(profile)
	return content == s.has(server) ||
		content[:5] == "spec:" && profile.Name == server.Status.Applied.Profile && profile.Spec.OSVersion == server.Status.Applied.OSVersion
}

func (r reason) changes() []Change {
	var changes []Change
	if r.before != r.after {
		changes = append(changes, Change{Field: "group", Old: r.before, New: r.after})
	}
	if r.old == nil {
		if r.applied == "" {
			return append(changes, Change{Field: "osVersion", Old: "nothing recorded", New: r.wanted.Spec.OSVersion})
		}
		if r.applied == r.wanted.Spec.OSVersion {
			return append(changes, Change{Field: "content", Old: "another than is recorded", New: "profile " + r.wanted.Name})
		}
		return append(changes, Change{Field: "osVersion", Old: r.applied, New: r.wanted.Spec.OSVersion})
	}
	if r.old.Name != r.wanted.Name {
		changes = append(changes, Change{Field: "provisioningProfileRef", Old: r.old.Name, New: r.wanted.Name})
	}
	changes = append(changes, Differences(&r.old.Spec, &r.wanted.Spec)...)
	if len(changes) == 0 {
		changes = append(changes, Change{Field: "content", Old: "unknown: it comes from a Secret", New: "unknown: it comes from a Secret"})
	}
	return changes
}

// Differences between two profiles that reach a server, field by field.
func Differences(old, wanted *v1alpha1.ProvisioningProfileSpec) []Change {
	var changes []Change
	for _, field := range []Change{
		{"osVersion", old.OSVersion, wanted.OSVersion},
		{"osImage", old.OSImage, wanted.OSImage},
		{"osImageChecksum", old.OSImageChecksum, wanted.OSImageChecksum},
		{"osImageFormat", old.OSImageFormat, wanted.OSImageFormat},
		{"userData", document(old.UserData), document(wanted.UserData)},
		{"networkData", document(old.NetworkData), document(wanted.NetworkData)},
		{"metaData", document(old.MetaData), document(wanted.MetaData)},
	} {
		if field.Old != field.New {
			changes = append(changes, field)
		}
	}
	return changes
}

// document as it is written, or where it comes from.
func document(source *v1alpha1.DataSource) string {
	switch {
	case source == nil:
		return ""
	case source.SecretRef != nil:
		return "from Secret " + source.SecretRef.Name + ", key " + source.SecretRef.Key
	}
	return source.Inline
}
