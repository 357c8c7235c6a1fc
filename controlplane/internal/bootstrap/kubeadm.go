package bootstrap

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	rbacv1 "k8s.io/client-go/applyconfigurations/rbac/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	kubeadmConfig  = "kubeadm-config"
	kubeletConfig  = "kubelet-config"
	readJoinConfig = "stargate:read-join-configuration"
	getNodes       = "stargate:get-nodes"
)

// clusterConfiguration is what kubeadm would have kept of its init.
const clusterConfiguration = `apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
clusterName: %s
kubernetesVersion: %s
controlPlaneEndpoint: "%s"
networking:
  serviceSubnet: %s
  dnsDomain: cluster.local
`

// kubeletConfiguration is what a node's kubelet starts from: kubeadm's own defaults. The file of the
// authority is named, since a kubeadm that had kept keys elsewhere would tell nodes to look for it there.
const kubeletConfiguration = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous:
    enabled: false
  webhook:
    enabled: true
  x509:
    clientCAFile: /etc/kubernetes/pki/ca.crt
authorization:
  mode: Webhook
cgroupDriver: systemd
clusterDomain: cluster.local
rotateCertificates: true
staticPodPath: /etc/kubernetes/manifests
`

// kubeadm returns the tasks that let "kubeadm join" work, which reads two ConfigMaps beside
// cluster-info and looks whether its node is there already.
func kubeadm(client kubernetes.Interface, cluster Cluster) []task {
	return []task{
		func(ctx context.Context) error {
			content := fmt.Sprintf(clusterConfiguration, cluster.Name, cluster.Version, cluster.Endpoint, cluster.Services)
			config := coreapply.ConfigMap(kubeadmConfig, metav1.NamespaceSystem).WithData(map[string]string{"ClusterConfiguration": content})
			_, err := client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Apply(ctx, config, force)
			return wrap(err, "publishing %s", kubeadmConfig)
		},
		func(ctx context.Context) error {
			// Made once: from then on it is the operator's, as with kubeadm.
			config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: kubeletConfig}, Data: map[string]string{"kubelet": kubeletConfiguration}}
			return wrap(made(client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Create(ctx, config, metav1.CreateOptions{})), "publishing %s", kubeletConfig)
		},
		readable(client, metav1.NamespaceSystem, readJoinConfig, []string{kubeadmConfig, kubeletConfig}, group(bootstrappers), group(nodes)),
		func(ctx context.Context) error {
			role := rbacv1.ClusterRole(getNodes).WithRules(rbacv1.PolicyRule().WithAPIGroups("").WithResources("nodes").WithVerbs("get"))
			if _, err := client.RbacV1().ClusterRoles().Apply(ctx, role, force); err != nil {
				return wrap(err, "making cluster role %s", getNodes)
			}
			binding := rbacv1.ClusterRoleBinding(getNodes).WithSubjects(group(bootstrappers)).
				WithRoleRef(rbacv1.RoleRef().WithAPIGroup(rbacGroup).WithKind("ClusterRole").WithName(getNodes))
			_, err := client.RbacV1().ClusterRoleBindings().Apply(ctx, binding, force)
			return wrap(err, "binding cluster role %s", getNodes)
		},
	}
}
