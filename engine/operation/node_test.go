package operation_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/operation"
)

// TestDecideNode: whose node it is is proven or not said, and what somebody said is not overruled.
func TestDecideNode(t *testing.T) {
	const address, id = "10.0.0.1", "stargate://dc-west/server-001"
	node := func(name, uid, provider string, addresses ...string) operation.Node {
		return operation.Node{Name: name, UID: uid, ProviderID: provider, InternalIPs: addresses}
	}
	mine := node("server-001", "u1", "", address)
	for name, c := range map[string]struct {
		before, want v1alpha1.ServerStatus
		nodes        []operation.Node
		shared       bool
		withoutIPv4  bool
	}{
		"none":                        {},
		"its name and address":        {nodes: []operation.Node{mine}, want: named("server-001", "u1")},
		"its name alone":              {nodes: []operation.Node{node("server-001", "u1", "", "10.0.0.9")}},
		"its name, no address of its": {nodes: []operation.Node{node("server-001", "u1", "")}, withoutIPv4: true},
		"its address alone":           {nodes: []operation.Node{node("web", "u1", "", address)}},
		"its provider id":             {nodes: []operation.Node{node("web", "u1", id)}, want: named("web", "u1")},
		"another that has its id":     {nodes: []operation.Node{mine, node("web", "u2", id)}},
		"both of one node":            {nodes: []operation.Node{node("server-001", "u1", id, address)}, want: named("server-001", "u1")},
		"two with its id":             {nodes: []operation.Node{node("a", "u1", id), node("b", "u2", id), mine}},
		"another Server's id":         {nodes: []operation.Node{node("server-001", "u1", "stargate://dc-east/server-001", address)}},
		"a cloud's id":                {nodes: []operation.Node{node("server-001", "u1", "kind://docker/x", address)}, want: named("server-001", "u1")},
		"two Servers of a name":       {nodes: []operation.Node{mine}, shared: true},
		"of a name, told by the id":   {nodes: []operation.Node{node("server-001", "u1", id, address)}, shared: true, want: named("server-001", "u1")},
		"it went":                     {before: named("server-001", "u1")},
		"it was made anew":            {before: named("server-001", "u0"), nodes: []operation.Node{mine}, want: named("server-001", "u1")},
		"it lost its address":         {before: named("server-001", "u1"), nodes: []operation.Node{node("server-001", "u1", "")}},
		"set by hand":                 {before: named("elsewhere", ""), nodes: []operation.Node{mine}, want: named("elsewhere", "")},
		"set by hand, none here":      {before: named("elsewhere", ""), want: named("elsewhere", "")},
	} {
		t.Run(name, func(t *testing.T) {
			server := &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Namespace: "dc-west", Name: "server-001"}, Spec: v1alpha1.ServerSpec{IPv4: address}}
			if c.withoutIPv4 {
				server.Spec.IPv4 = ""
			}
			got, said := operation.DecideNode(server, &c.before, c.nodes, c.shared), c.before
			if got != nil {
				said = *got
			}
			if said.NodeName != c.want.NodeName || said.NodeUID != c.want.NodeUID {
				t.Errorf("got %q (%s), want %q (%s)", said.NodeName, said.NodeUID, c.want.NodeName, c.want.NodeUID)
			}
			if again := operation.DecideNode(server, &said, c.nodes, c.shared); again != nil {
				t.Errorf("it is written again: %q (%s)", again.NodeName, again.NodeUID)
			}
		})
	}
}

func named(name, uid string) v1alpha1.ServerStatus {
	return v1alpha1.ServerStatus{NodeName: name, NodeUID: uid}
}
