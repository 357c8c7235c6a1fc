package bootstrap

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1 "k8s.io/client-go/applyconfigurations/core/v1"
	rbacv1 "k8s.io/client-go/applyconfigurations/rbac/v1"
	"k8s.io/client-go/kubernetes"

	"stargate.io/stargate/controlplane/internal/pki"
)

const (
	clusterInfo     = "cluster-info"
	readClusterInfo = "stargate:read-cluster-info"
	bootstrappers   = "system:bootstrappers" // the group of every bootstrap token
	nodes           = "system:nodes"
	rbacGroup       = "rbac.authorization.k8s.io"
)

// grants are cluster roles that Kubernetes defines and leaves to the installer to hand out.
var grants = []struct{ name, role, subjectKind, subject string }{
	{"stargate:kubelet-bootstrap", "system:node-bootstrapper", "Group", bootstrappers},
	{"stargate:approve-first-certificate", "system:certificates.k8s.io:certificatesigningrequests:nodeclient", "Group", bootstrappers},
	{"stargate:approve-renewal", "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "Group", nodes},
	{"stargate:call-kubelets", "system:kubelet-api-admin", "User", pki.KubeletClientUser},
}

// force, because these fields are ours alone, also after an older version wrote them.
var force = metav1.ApplyOptions{FieldManager: "stargate-control-plane", Force: true}

// joining returns the tasks that let a node join with a bootstrap token: it reads
// cluster-info without credentials, asks for a certificate, and is given one.
func joining(client kubernetes.Interface, kubeconfig []byte) []task {
	var tasks []task
	for _, g := range grants {
		tasks = append(tasks, func(ctx context.Context) error {
			binding := rbacv1.ClusterRoleBinding(g.name).
				WithRoleRef(rbacv1.RoleRef().WithAPIGroup(rbacGroup).WithKind("ClusterRole").WithName(g.role)).
				WithSubjects(rbacv1.Subject().WithAPIGroup(rbacGroup).WithKind(g.subjectKind).WithName(g.subject))
			_, err := client.RbacV1().ClusterRoleBindings().Apply(ctx, binding, force)
			return wrap(err, "granting %s to %s", g.role, g.subject)
		})
	}
	return append(tasks,
		func(ctx context.Context) error {
			info := corev1.ConfigMap(clusterInfo, metav1.NamespacePublic).WithData(map[string]string{"kubeconfig": string(kubeconfig)})
			_, err := client.CoreV1().ConfigMaps(metav1.NamespacePublic).Apply(ctx, info, force)
			return wrap(err, "publishing %s", clusterInfo)
		},
		// Anybody may read it: it holds the address and the authority's certificate, no secret.
		readable(client, metav1.NamespacePublic, readClusterInfo, []string{clusterInfo},
			rbacv1.Subject().WithAPIGroup(rbacGroup).WithKind("User").WithName("system:anonymous"), group(bootstrappers)))
}

func group(name string) *rbacv1.SubjectApplyConfiguration {
	return rbacv1.Subject().WithAPIGroup(rbacGroup).WithKind("Group").WithName(name)
}

// readable lets subjects get ConfigMaps, by name, under a role of the name given.
func readable(client kubernetes.Interface, namespace, name string, configMaps []string, subjects ...*rbacv1.SubjectApplyConfiguration) task {
	return func(ctx context.Context) error {
		role := rbacv1.Role(name, namespace).WithRules(rbacv1.PolicyRule().
			WithAPIGroups("").WithResources("configmaps").WithResourceNames(configMaps...).WithVerbs("get"))
		if _, err := client.RbacV1().Roles(namespace).Apply(ctx, role, force); err != nil {
			return wrap(err, "making role %s", name)
		}
		binding := rbacv1.RoleBinding(name, namespace).WithSubjects(subjects...).
			WithRoleRef(rbacv1.RoleRef().WithAPIGroup(rbacGroup).WithKind("Role").WithName(name))
		_, err := client.RbacV1().RoleBindings(namespace).Apply(ctx, binding, force)
		return wrap(err, "binding role %s", name)
	}
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}
