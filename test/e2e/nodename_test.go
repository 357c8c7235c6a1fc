package e2e

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/cmd/mockdc/site"
	"stargate.io/stargate/config"
	"stargate.io/stargate/engine"
)

// node that a kubelet would have registered.
func (r *Room) node(name, address, provider string) *corev1.Node {
	r.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NodeSpec{ProviderID: provider}}
	if address != "" {
		node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeInternalIP, Address: address}}
	}
	r.Create(node)
	r.Cleanup(func() { _ = r.Client.Delete(context.Background(), node) })
	return node
}

// called gives a Server of the room a name that no other room's has: nodes are the whole cluster's.
func (r *Room) called(name string, n int) *v1alpha1.Server {
	server := r.Server(n)
	server.Name = name + "-of-" + r.Namespace
	return server
}

func (r *Room) untilNode(server *v1alpha1.Server, node *corev1.Node) {
	r.Helper()
	name, uid := "", ""
	if node != nil {
		name, uid = node.Name, string(node.UID)
	}
	r.Until(server, "its node to be "+name, func() bool { return server.Status.NodeName == name && server.Status.NodeUID == uid })
}

// TestServerSaysWhichNodeItIs: when its node registers, is made anew under the same name, and goes; and never by half a
// proof, nor over what somebody said.
func TestServerSaysWhichNodeItIs(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	plain, byID, stranger, byHand := r.called("plain", 1), r.called("by-id", 2), r.called("stranger", 3), r.called("by-hand", 4)
	r.Create(plain, byID, stranger, byHand)
	byHand.Status.NodeName = "elsewhere"
	if err := r.Client.Status().Update(t.Context(), byHand); err != nil {
		t.Fatal(err)
	}
	r.Start()
	r.node(stranger.Name, "10.9.9.9", "")
	r.node(byHand.Name, byHand.Spec.IPv4, "")
	r.untilNode(byID, r.node("any-"+byID.Name, "10.9.9.8", "stargate://"+r.Namespace+"/"+byID.Name))
	first := r.node(plain.Name, "", "")
	before := client.MergeFrom(first.DeepCopy()) // a patch: the cluster's own controllers write it too
	first.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: plain.Spec.IPv4}}
	if err := r.Client.Status().Patch(t.Context(), first, before); err != nil {
		t.Fatal(err)
	}
	r.untilNode(plain, first)
	r.Delete(first)
	r.untilNode(plain, nil)
	second := r.node(plain.Name, plain.Spec.IPv4, "")
	r.untilNode(plain, second)
	// All that there is to see of these two was seen before what was waited for.
	r.Refresh(stranger)
	r.Refresh(byHand)
	if stranger.Status.NodeName != "" || byHand.Status.NodeName != "elsewhere" {
		t.Errorf("got %q and %q", stranger.Status.NodeName, byHand.Status.NodeName)
	}
}

// TestTwoServersOfOneName and address, in two datacenters: the node could be either, so that it is neither's until one of
// them is no more.
func TestTwoServersOfOneName(t *testing.T) {
	t.Parallel()
	w := NewWorld(t)
	r, other := w.Room(site.Config{}), w.Room(site.Config{})
	w.Run(engine.Options{Namespaces: []string{r.Namespace, other.Namespace}})
	mine := r.called("twin", 1)
	r.Create(mine)
	node := r.node(mine.Name, mine.Spec.IPv4, "")
	r.untilNode(mine, node)
	theirs := other.Server(1)
	theirs.Name = mine.Name
	other.Create(theirs)
	r.untilNode(mine, nil)
	other.Edit(theirs, func() { theirs.Spec.IPv4 = "10.9.9.7" })
	r.untilNode(mine, node)
	other.Refresh(theirs)
	if theirs.Status.NodeName != "" {
		t.Errorf("the other is %q", theirs.Status.NodeName)
	}
}

// TestWithoutRightsOverNodes everything else works.
func TestWithoutRightsOverNodes(t *testing.T) {
	t.Parallel()
	r := NewWorld(t).Room(site.Config{})
	objects, err := config.RBAC()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Cluster.Apply(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
	user := "controller-of-" + r.Namespace
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: user},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "stargate-controller"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}}}
	r.Create(binding)
	t.Cleanup(func() { _ = r.Client.Delete(context.Background(), binding) })
	r.Start(func(options *engine.Options) { options.RESTConfig = r.Cluster.As(user) })
	server := r.called("poor", 1)
	r.node(server.Name, server.Spec.IPv4, "")
	op := Repave(r.Namespace, "repave", server.Name, "os")
	r.Create(server, op)
	succeeds(r, op)
	r.Refresh(server)
	if server.Status.NodeName != "" {
		t.Errorf("it says %q of what it cannot see", server.Status.NodeName)
	}
}
