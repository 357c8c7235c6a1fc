package nodes

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubectl/pkg/drain"

	"stargate.io/stargate/api/v1alpha1"
)

// notThere is the error of a server that is no node now: there is none of that name, or one that is not known to be it.
type notThere struct {
	gone    bool
	message string
}

func (e *notThere) Error() string { return e.message }

// without gives what a verb comes to where the server is no node. To ask whether it is ready is no error, since that
// is asked while it joins; nor is it to delete what is gone, since a run may be made twice.
func without(verb v1alpha1.KubernetesVerb, err error) (any, error) {
	var none *notThere
	switch {
	case !errors.As(err, &none):
	case verb == v1alpha1.VerbNodeReady:
		return map[string]any{"ready": false, "message": none.message}, nil
	case verb == v1alpha1.VerbDeleteNode && none.gone:
		return map[string]any{"deleted": false}, nil
	}
	return nil, err
}

// nodeOf finds the node that a server is: the one that status.nodeName names, or, where that is not set, one
// of the Server's own name that has its address. A name alone proves nothing: other clusters have nodes of
// that name too. Nor does it where the node was made anew since it was found.
func nodeOf(ctx context.Context, cluster kubernetes.Interface, server *v1alpha1.Server) (*corev1.Node, error) {
	name := server.Status.NodeName
	if name == "" {
		name = server.Name
	}
	node, err := cluster.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, &notThere{gone: true, message: fmt.Sprintf("the cluster has no node %s; status.nodeName of Server %s says which node it is", name, server.Name)}
	}
	if err != nil {
		return nil, fmt.Errorf("reading node %s: %w", name, err)
	}
	found := server.Status.NodeUID
	told := server.Status.NodeName != "" && (found == "" || found == string(node.UID))
	if !told && !hasAddress(node, server.Spec.IPv4) {
		return nil, &notThere{message: fmt.Sprintf("node %s has not the address of Server %s (%q), so it may be another machine; set status.nodeName of the Server if it is this one",
			name, server.Name, server.Spec.IPv4)}
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

// deleteNode deletes the object, so that the kubelet of what is put on the machine registers afresh: kubeadm refuses to
// join under the name of a node that is ready, and what was cordoned would stay so. Pods that are left go with it.
func deleteNode(ctx context.Context, cluster kubernetes.Interface, node *corev1.Node) (any, error) {
	if !node.Spec.Unschedulable {
		return nil, fmt.Errorf("node %s is not cordoned, so it may have work: call kube.cordon() and kube.drain() first", node.Name)
	}
	err := cluster.CoreV1().Nodes().Delete(ctx, node.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &node.UID}})
	if apierrors.IsNotFound(err) {
		return map[string]any{"node": node.Name, "deleted": false}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("deleting node %s: %w", node.Name, err)
	}
	return map[string]any{"node": node.Name, "deleted": true}, nil
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
