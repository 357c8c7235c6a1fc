package nodes

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubectl/pkg/drain"

	"stargate.io/stargate/api/v1alpha1"
)

// nodeOf finds the node that a server is: the one that status.nodeName names, or, where that is not set, one
// of the Server's own name that has its address. A name alone proves nothing: other clusters have nodes of
// that name too.
func nodeOf(ctx context.Context, cluster kubernetes.Interface, server *v1alpha1.Server) (*corev1.Node, error) {
	name := server.Status.NodeName
	if name == "" {
		name = server.Name
	}
	node, err := cluster.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("the cluster has no node %s; status.nodeName of Server %s says which node it is", name, server.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading node %s: %w", name, err)
	}
	if server.Status.NodeName == "" && !hasAddress(node, server.Spec.IPv4) {
		return nil, fmt.Errorf("node %s has not the address of Server %s (%q), so it may be another machine; set status.nodeName of the Server if it is this one",
			name, server.Name, server.Spec.IPv4)
	}
	return node, nil
}

func hasAddress(node *corev1.Node, address string) bool {
	return address != "" && slices.ContainsFunc(node.Status.Addresses, func(a corev1.NodeAddress) bool {
		return (a.Type == corev1.NodeInternalIP || a.Type == corev1.NodeExternalIP) && a.Address == address
	})
}

// cordon marks a node unschedulable, or schedulable again.
func cordon(ctx context.Context, cluster kubernetes.Interface, node *corev1.Node, wanted bool) (any, error) {
	helper := drain.NewCordonHelper(node)
	changed := helper.UpdateIfRequired(wanted)
	if changed {
		if err, patchErr := helper.PatchOrReplaceWithContext(ctx, cluster, false); err != nil || patchErr != nil {
			return nil, fmt.Errorf("marking node %s: %w", node.Name, firstOf(err, patchErr))
		}
	}
	return map[string]any{"node": node.Name, "changed": changed}, nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// readiness is what a hook learns of a node that has, or has not, come back.
func readiness(node *corev1.Node) any {
	ready, reason := false, "the node has told nothing yet"
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			ready, reason = condition.Status == corev1.ConditionTrue, condition.Message
		}
	}
	info := node.Status.NodeInfo
	return map[string]any{
		"node": node.Name, "ready": ready, "message": reason, "schedulable": !node.Spec.Unschedulable,
		"kubeletVersion": info.KubeletVersion, "osImage": info.OSImage, "kernelVersion": info.KernelVersion, "bootID": info.BootID,
	}
}
