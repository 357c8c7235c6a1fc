package nodes

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
)

// Clusters that servers are nodes of.
type Clusters struct {
	// Management is the cluster that Stargate runs on.
	Management kubernetes.Interface
	// Servers reads and writes Servers on it, past any cache.
	Servers interface {
		client.Reader
		client.Writer
	}
	// Secret reads a key of a Secret, past any cache.
	Secret func(ctx context.Context, namespace, name, key string) ([]byte, error)
}

// Host carries out the verbs of one hook for one server.
type Host struct {
	clusters *Clusters
	server   types.NamespacedName
	uid      types.UID
	ref      *v1alpha1.SecretKeyReference
}

// Host of a server. ref names the kubeconfig of its cluster; nil for the management cluster.
func (c *Clusters) Host(server types.NamespacedName, uid types.UID, ref *v1alpha1.SecretKeyReference) *Host {
	return &Host{clusters: c, server: server, uid: uid, ref: ref}
}

// Kubernetes carries out one verb. What spec.allow does not have never comes here.
func (h *Host) Kubernetes(ctx context.Context, verb string, arguments map[string]any) (any, error) {
	server, err := h.read(ctx)
	if err != nil {
		return nil, err
	}
	if v1alpha1.KubernetesVerb(verb) == v1alpha1.VerbLabels {
		return h.labels(ctx, server, arguments)
	}
	cluster, err := h.cluster(ctx)
	if err != nil {
		return nil, err
	}
	node, err := nodeOf(ctx, cluster, server)
	if err != nil {
		result, err := without(v1alpha1.KubernetesVerb(verb), err)
		return result, h.explain(err)
	}
	var result any
	switch v1alpha1.KubernetesVerb(verb) {
	case v1alpha1.VerbCordon:
		result, err = cordon(ctx, cluster, node, true)
	case v1alpha1.VerbUncordon:
		result, err = cordon(ctx, cluster, node, false)
	case v1alpha1.VerbDrain:
		result, err = drainOnce(ctx, cluster, node, arguments)
	case v1alpha1.VerbDeleteNode:
		result, err = deleteNode(ctx, cluster, node)
	case v1alpha1.VerbNodeReady:
		result = readiness(node)
	default:
		return nil, fmt.Errorf("no Kubernetes verb %q; there are cordon, uncordon, drain, deleteNode, nodeReady and labels", verb)
	}
	return result, h.explain(err)
}

// read the Server, which must be the one that the hook is run for.
func (h *Host) read(ctx context.Context) (*v1alpha1.Server, error) {
	server := &v1alpha1.Server{}
	if err := h.clusters.Servers.Get(ctx, h.server, server); err != nil {
		return nil, fmt.Errorf("reading Server %s: %w", h.server, err)
	}
	if server.UID != h.uid {
		return nil, fmt.Errorf("server %s was made anew since the hook began, and may be another machine", h.server)
	}
	return server, nil
}

// explain adds to a refusal of the management cluster what grants the right: by default nothing of nodes
// and pods is Stargate's to touch there.
func (h *Host) explain(err error) error {
	if err == nil || h.ref != nil || !apierrors.IsForbidden(err) {
		return err
	}
	return fmt.Errorf("%w; to let hooks act on nodes of the management cluster: kubectl create clusterrolebinding stargate-hook-nodes"+
		" --clusterrole=stargate-hook-nodes --serviceaccount=stargate-system:stargate-controller; or name the nodes' cluster in spec.allow.kubeconfigRef", err)
}
