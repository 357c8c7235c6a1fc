package tree

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"stargate.io/stargate/api/v1alpha1"
)

// kind of an object in a commit.
type kind struct {
	name       string
	api        string
	namespaced bool
	// made gives an empty one, for kinds of ours.
	made func() any
}

const ours = "stargate.io/v1alpha1"

// order in which kinds are applied: what is referred to before what refers to it, and groups, which start something,
// last.
var order = []kind{
	{name: "Namespace", api: "v1"},
	{name: "Secret", api: "v1", namespaced: true},
	{name: "ConfigMap", api: "v1", namespaced: true},
	{name: "Policy", api: ours, made: func() any { return &v1alpha1.Policy{} }},
	{name: "Hook", api: ours, made: func() any { return &v1alpha1.Hook{} }},
	{name: "Datacenter", api: ours, namespaced: true, made: func() any { return &v1alpha1.Datacenter{} }},
	{name: "ProvisioningProfile", api: ours, namespaced: true, made: func() any { return &v1alpha1.ProvisioningProfile{} }},
	{name: "Server", api: ours, namespaced: true, made: func() any { return &v1alpha1.Server{} }},
	{name: "ServerGroup", api: ours, namespaced: true, made: func() any { return &v1alpha1.ServerGroup{} }},
}

// refused kinds of ours, and why.
var refused = map[string]string{
	"Operation": "an Operation is one run of one action: commit the profile or group that should be, or apply the Operation with kubectl",
	"Fleet":     "a Fleet says which repository is read, and a repository cannot say that of itself: apply it with kubectl",
}

func kindNamed(name string) (kind, bool) {
	i := slices.IndexFunc(order, func(k kind) bool { return k.name == name })
	if i < 0 {
		return kind{}, false
	}
	return order[i], true
}

// rank of a kind in the order of apply.
func rank(gk schema.GroupKind) int {
	return slices.IndexFunc(order, func(k kind) bool { return k.name == gk.Kind })
}

// kindNames that a commit may hold.
func (o Options) kindNames() []string {
	var names []string
	for _, k := range order {
		if k.made != nil || slices.Contains(o.AllowKinds, v1alpha1.ForeignKind(k.name)) {
			names = append(names, k.name)
		}
	}
	return names
}
