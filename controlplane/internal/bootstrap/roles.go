package bootstrap

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	rbacclient "k8s.io/client-go/kubernetes/typed/rbac/v1"
	policy "k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac/bootstrappolicy"
)

// missingRoles returns a task for each role and binding of Kubernetes that is
// absent. What is there already is left to kube-apiserver's hook to reconcile,
// which comes a second later.
func missingRoles(ctx context.Context, client rbacclient.RbacV1Interface) ([]task, error) {
	have, err := existing(ctx, client)
	if err != nil {
		return nil, err
	}
	var tasks []task
	add := func(kind, namespace, name string, create task) {
		if have.Has(key(kind, namespace, name)) {
			return
		}
		tasks = append(tasks, func(ctx context.Context) error {
			if err := create(ctx); err != nil {
				return fmt.Errorf("making %s %s: %w", kind, name, err)
			}
			return nil
		})
	}
	for _, r := range append(policy.ClusterRoles(), policy.ControllerRoles()...) {
		add("ClusterRole", "", r.Name, func(ctx context.Context) error {
			return made(client.ClusterRoles().Create(ctx, &r, metav1.CreateOptions{}))
		})
	}
	for _, b := range append(policy.ClusterRoleBindings(), policy.ControllerRoleBindings()...) {
		add("ClusterRoleBinding", "", b.Name, func(ctx context.Context) error {
			return made(client.ClusterRoleBindings().Create(ctx, &b, metav1.CreateOptions{}))
		})
	}
	for namespace, roles := range policy.NamespaceRoles() {
		for _, r := range roles {
			add("Role", namespace, r.Name, func(ctx context.Context) error {
				return made(client.Roles(namespace).Create(ctx, &r, metav1.CreateOptions{}))
			})
		}
	}
	for namespace, bindings := range policy.NamespaceRoleBindings() {
		for _, b := range bindings {
			add("RoleBinding", namespace, b.Name, func(ctx context.Context) error {
				return made(client.RoleBindings(namespace).Create(ctx, &b, metav1.CreateOptions{}))
			})
		}
	}
	return tasks, nil
}

func key(kind, namespace, name string) string { return kind + "/" + namespace + "/" + name }

// existing returns the keys of all roles and bindings.
func existing(ctx context.Context, client rbacclient.RbacV1Interface) (sets.Set[string], error) {
	have := sets.New[string]()
	opts := metav1.ListOptions{}
	clusterRoles, err := client.ClusterRoles().List(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("listing cluster roles: %w", err)
	}
	for _, o := range clusterRoles.Items {
		have.Insert(key("ClusterRole", "", o.Name))
	}
	clusterBindings, err := client.ClusterRoleBindings().List(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("listing cluster role bindings: %w", err)
	}
	for _, o := range clusterBindings.Items {
		have.Insert(key("ClusterRoleBinding", "", o.Name))
	}
	roles, err := client.Roles("").List(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("listing roles: %w", err)
	}
	for _, o := range roles.Items {
		have.Insert(key("Role", o.Namespace, o.Name))
	}
	bindings, err := client.RoleBindings("").List(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("listing role bindings: %w", err)
	}
	for _, o := range bindings.Items {
		have.Insert(key("RoleBinding", o.Namespace, o.Name))
	}
	return have, nil
}
