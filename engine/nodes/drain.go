package nodes

import (
	"context"
	"fmt"
	"io"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/kubectl/pkg/drain"
)

const (
	// maxNamed is how many pods are named to the script, of however many are left.
	maxNamed = 20
	// podsAPage is how many pods are listed at once.
	podsAPage = 500
)

// drainOptions are what a script may say of a drain.
type drainOptions struct {
	// force evicts pods that no controller will make anew.
	force bool
	// keepEmptyDir leaves pods alone that have data in an emptyDir. By default that data is lost, as it is
	// with the machine.
	keepEmptyDir bool
	// grace in seconds in place of the pods' own; negative for theirs.
	grace int
	// selector of the pods by their labels.
	selector string
}

func drainOptionsOf(arguments map[string]any) (drainOptions, error) {
	options := drainOptions{grace: -1}
	for key, value := range arguments {
		ok := true
		switch key {
		case "force":
			options.force, ok = value.(bool)
		case "keepEmptyDir":
			options.keepEmptyDir, ok = value.(bool)
		case "podSelector":
			options.selector, ok = value.(string)
		case "gracePeriodSeconds":
			var seconds float64
			if seconds, ok = number(value); ok {
				options.grace = int(min(max(seconds, 0), 3600))
			}
		default:
			return options, fmt.Errorf("kube.drain takes force, keepEmptyDir, gracePeriodSeconds and podSelector, not %q", key)
		}
		if !ok {
			return options, fmt.Errorf("kube.drain: %s cannot be %v", key, value)
		}
	}
	return options, nil
}

func number(value any) (float64, bool) {
	switch n := value.(type) {
	case float64:
		return n, true
	case int:
		return float64(n), true
	case int64:
		return float64(n), true
	}
	return 0, false
}

// drainOnce asks for the eviction of every pod that is to leave, and tells which are still there. It waits for
// none: a script does, and asks again. What a disruption budget holds back stays until the budget frees it.
func drainOnce(ctx context.Context, cluster kubernetes.Interface, node *corev1.Node, arguments map[string]any) (any, error) {
	options, err := drainOptionsOf(arguments)
	if err != nil {
		return nil, err
	}
	if !node.Spec.Unschedulable {
		return nil, fmt.Errorf("node %s is not cordoned, so its pods would come back: call kube.cordon() first", node.Name)
	}
	helper := &drain.Helper{Ctx: ctx, Client: cluster, Force: options.force, GracePeriodSeconds: options.grace, IgnoreAllDaemonSets: true,
		DeleteEmptyDirData: !options.keepEmptyDir, PodSelector: options.selector, ChunkSize: podsAPage, Out: io.Discard, ErrOut: io.Discard}
	list, problems := helper.GetPodsForDeletion(node.Name)
	if len(problems) > 0 {
		return nil, fmt.Errorf("draining node %s: %w", node.Name, blocked(problems[0], options))
	}
	return evict(helper, node, list.Pods())
}

// blocked says what a script can do about pods that a drain leaves alone.
func blocked(err error, options drainOptions) error {
	if apierrors.IsForbidden(err) || options.force {
		return err
	}
	return fmt.Errorf("%w (kube.drain{force = true} evicts pods that nothing makes anew)", err)
}

// evict asks for the eviction of pods, each once.
func evict(helper *drain.Helper, node *corev1.Node, pods []corev1.Pod) (any, error) {
	var left, held []string
	evicted := 0
	for i := range pods {
		pod := &pods[i]
		name := pod.Namespace + "/" + pod.Name
		if pod.DeletionTimestamp != nil {
			left = append(left, name) // on its way
			continue
		}
		switch err := helper.EvictPod(*pod, policyv1.SchemeGroupVersion); {
		case err == nil:
			evicted++
			left = append(left, name) // until its kubelet says that it has ended
		case apierrors.IsNotFound(err):
		case apierrors.IsTooManyRequests(err):
			left, held = append(left, name), append(held, name)
		default:
			return nil, fmt.Errorf("evicting pod %s from node %s: %w", name, node.Name, err)
		}
	}
	return map[string]any{"node": node.Name, "left": len(left), "evicted": evicted, "pods": named(left), "heldByBudget": named(held)}, nil
}

// named gives the first names of a list, as plain values.
func named(names []string) []any {
	slices.Sort(names)
	first := []any{}
	for _, name := range names[:min(len(names), maxNamed)] {
		first = append(first, name)
	}
	return first
}
