package engine

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/controllers"
	"stargate.io/stargate/engine/nodes"
	"stargate.io/stargate/policies/hooks"
)

// hookOptions says how hooks are run.
func hookOptions(mgr ctrl.Manager, base *rest.Config, scripts controllers.Scripts, options Options) (controllers.HookOptions, error) {
	host, err := hookHosts(mgr, base)
	return controllers.HookOptions{Scripts: scripts,
		Deadline: cmp.Or(options.HookDeadline, 30*time.Second), Elected: options.LeaderElect, Host: host}, err
}

// hookHosts gives what carries out the Kubernetes verbs of a hook for a server.
func hookHosts(mgr ctrl.Manager, base *rest.Config) (func(*v1alpha1.Server, *v1alpha1.SecretKeyReference) hooks.Host, error) {
	management, err := kubernetes.NewForConfig(base)
	if err != nil {
		return nil, fmt.Errorf("making the hooks' client: %w", err)
	}
	live := mgr.GetAPIReader()
	clusters := &nodes.Clusters{
		Management: management,
		Servers: struct {
			client.Reader
			client.Writer
		}{live, mgr.GetClient()},
		Secret: func(ctx context.Context, namespace, name, key string) ([]byte, error) {
			var secret corev1.Secret
			if err := live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &secret); err != nil {
				return nil, err
			}
			if len(secret.Data[key]) == 0 {
				return nil, fmt.Errorf("it has no such key; add it")
			}
			return secret.Data[key], nil
		},
	}
	return func(server *v1alpha1.Server, kubeconfig *v1alpha1.SecretKeyReference) hooks.Host {
		return clusters.Host(client.ObjectKeyFromObject(server), server.UID, kubeconfig)
	}, nil
}
