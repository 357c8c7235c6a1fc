// Package bootstrap puts the few objects in place that a fresh cluster needs
// before a node can join it: what kubeadm calls its bootstrap-token and
// cluster-info phases.
//
// In: a client above authorization and the address to publish. Out: objects in
// the API. It must never take back what an operator added to these objects.
package bootstrap

import (
	"context"
	"fmt"

	corev1 "k8s.io/client-go/applyconfigurations/core/v1"
	rbacv1 "k8s.io/client-go/applyconfigurations/rbac/v1"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"stargate.io/stargate/controlplane/internal/pki"
)

const (
	namespace     = "kube-public"
	clusterInfo   = "cluster-info"
	bootstrappers = "system:bootstrappers" // the group of every bootstrap token
	nodes         = "system:nodes"
	rbacGroup     = "rbac.authorization.k8s.io"
)

// grants are cluster roles that Kubernetes defines and leaves to the installer to hand out.
var grants = []struct{ name, role, subjectKind, subject string }{
	{"stargate:kubelet-bootstrap", "system:node-bootstrapper", "Group", bootstrappers},
	{"stargate:approve-first-certificate", "system:certificates.k8s.io:certificatesigningrequests:nodeclient", "Group", bootstrappers},
	{"stargate:approve-renewal", "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "Group", nodes},
	{"stargate:call-kubelets", "system:kubelet-api-admin", "User", pki.KubeletClientUser},
}

// apply forces: these fields are ours alone, also after an older version wrote them.
var apply = metav1.ApplyOptions{FieldManager: "stargate-control-plane", Force: true}

// Apply writes the objects; kubeconfig is what a joining node finds in cluster-info.
func Apply(ctx context.Context, client kubernetes.Interface, kubeconfig []byte) error {
	for _, g := range grants {
		binding := rbacv1.ClusterRoleBinding(g.name).
			WithRoleRef(rbacv1.RoleRef().WithAPIGroup(rbacGroup).WithKind("ClusterRole").WithName(g.role)).
			WithSubjects(rbacv1.Subject().WithAPIGroup(rbacGroup).WithKind(g.subjectKind).WithName(g.subject))
		if _, err := client.RbacV1().ClusterRoleBindings().Apply(ctx, binding, apply); err != nil {
			return fmt.Errorf("granting %s to %s: %w", g.role, g.subject, err)
		}
	}
	return publish(ctx, client, kubeconfig)
}

// publish lets anybody read cluster-info: it holds the address and the authority's certificate, no secret.
func publish(ctx context.Context, client kubernetes.Interface, kubeconfig []byte) error {
	info := corev1.ConfigMap(clusterInfo, namespace).WithData(map[string]string{"kubeconfig": string(kubeconfig)})
	if _, err := client.CoreV1().ConfigMaps(namespace).Apply(ctx, info, apply); err != nil {
		return fmt.Errorf("publishing %s: %w", clusterInfo, err)
	}
	const name = "stargate:read-cluster-info"
	role := rbacv1.Role(name, namespace).WithRules(rbacv1.PolicyRule().
		WithAPIGroups("").WithResources("configmaps").WithResourceNames(clusterInfo).WithVerbs("get"))
	if _, err := client.RbacV1().Roles(namespace).Apply(ctx, role, apply); err != nil {
		return fmt.Errorf("making role %s: %w", name, err)
	}
	binding := rbacv1.RoleBinding(name, namespace).
		WithRoleRef(rbacv1.RoleRef().WithAPIGroup(rbacGroup).WithKind("Role").WithName(name)).
		WithSubjects(
			rbacv1.Subject().WithAPIGroup(rbacGroup).WithKind("User").WithName("system:anonymous"),
			rbacv1.Subject().WithAPIGroup(rbacGroup).WithKind("Group").WithName(bootstrappers))
	if _, err := client.RbacV1().RoleBindings(namespace).Apply(ctx, binding, apply); err != nil {
		return fmt.Errorf("binding role %s: %w", name, err)
	}
	return nil
}
