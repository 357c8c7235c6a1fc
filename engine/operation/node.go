package operation

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"stargate.io/stargate/api/v1alpha1"
)

// Node is what is known of a Kubernetes node that a Server may be.
type Node struct {
	Name, UID, ProviderID string
	// InternalIPs that its kubelet says it has.
	InternalIPs []string
}

// providerScheme of the ids with which a kubelet can say which Server its machine is.
const providerScheme = "stargate://"

// ProviderID of a Server's node: a kubelet that is started with it is known whatever its node is called.
func ProviderID(server *v1alpha1.Server) string {
	return providerScheme + server.Namespace + "/" + server.Name
}

// OfProviderID gives the Server that a node's provider id names.
func OfProviderID(id string) (types.NamespacedName, bool) {
	path, ok := strings.CutPrefix(id, providerScheme)
	if !ok {
		return types.NamespacedName{}, false
	}
	namespace, name, ok := strings.Cut(path, "/")
	return types.NamespacedName{Namespace: namespace, Name: name}, ok
}

// DecideNode gives the status of a Server with the node that it is, or without one; nil where that is what status says
// already. nodes are those of its name or provider id. shared says that another Server has its name and address, so
// that these prove nothing. What somebody set is left alone.
func DecideNode(server *v1alpha1.Server, status *v1alpha1.ServerStatus, nodes []Node, shared bool) *v1alpha1.ServerStatus {
	if status.NodeName != "" && status.NodeUID == "" {
		return nil
	}
	node := nodeOf(server, nodes, shared)
	if status.NodeName == node.Name && status.NodeUID == node.UID {
		return nil
	}
	next := status.DeepCopy()
	next.NodeName, next.NodeUID = node.Name, node.UID
	return next
}

// nodeOf finds the one node that a Server is, by its provider id, or by its name and address together: a name alone
// proves nothing, since other clusters have nodes of that name too, and an address alone is had by whoever takes it.
// The zero Node where there is none, or where it could be either of two: whichever is wrong would be drained while the
// other is wiped.
func nodeOf(server *v1alpha1.Server, nodes []Node, shared bool) Node {
	var proven []Node
	for _, node := range nodes {
		if node.ProviderID == ProviderID(server) || !shared && isNamedAndPlaced(server, node) {
			proven = append(proven, node)
		}
	}
	if len(proven) != 1 {
		return Node{}
	}
	return proven[0]
}

// isNamedAndPlaced tells whether a node has the name and the address of a Server, and does not say that it is another.
func isNamedAndPlaced(server *v1alpha1.Server, node Node) bool {
	return node.Name == server.Name && server.Spec.IPv4 != "" && slices.Contains(node.InternalIPs, server.Spec.IPv4) &&
		!strings.HasPrefix(node.ProviderID, providerScheme)
}
