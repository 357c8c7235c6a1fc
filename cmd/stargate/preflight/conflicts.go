package preflight

import (
	"fmt"
	"slices"
	"strings"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// Conflict is something of a machine's identity that several Servers of one datacenter claim. The
// controllers hold every Operation on all of them.
type Conflict struct {
	Namespace string
	// What is shared, for example "mac aa:bb:cc:dd:ee:01".
	What string
	// Servers that share it, sorted.
	Servers []string
}

// With says what a server shares with which others; "" where it is none of them.
func (c Conflict) With(server *v1alpha1.Server) string {
	if server.Namespace != c.Namespace || !slices.Contains(c.Servers, server.Name) {
		return ""
	}
	others := slices.DeleteFunc(slices.Clone(c.Servers), func(name string) bool { return name == server.Name })
	return fmt.Sprintf("%s of %s", c.What, strings.Join(others, ", "))
}

// Conflicts finds every identity that is claimed twice, by the rule of the controllers: within a
// datacenter no two Servers share a MAC (main or boot), an address or a BMC.
func Conflicts(servers []*v1alpha1.Server) []Conflict {
	type claim struct{ namespace, datacenter, what string }
	claims := map[claim][]string{}
	for _, server := range servers {
		datacenter := ""
		if server.Spec.DatacenterRef != nil {
			datacenter = server.Spec.DatacenterRef.Name
		}
		for _, what := range operation.Identities(&server.Spec) {
			key := claim{server.Namespace, datacenter, what}
			claims[key] = append(claims[key], server.Name)
		}
	}
	var conflicts []Conflict
	for key, names := range claims {
		if len(names) > 1 {
			slices.Sort(names)
			conflicts = append(conflicts, Conflict{Namespace: key.namespace, What: key.what, Servers: names})
		}
	}
	slices.SortFunc(conflicts, func(a, b Conflict) int {
		return strings.Compare(a.Namespace+" "+a.What, b.Namespace+" "+b.What)
	})
	return conflicts
}
