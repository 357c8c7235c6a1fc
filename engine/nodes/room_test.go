package nodes_test

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/config"
	"stargate.io/stargate/engine"
	"stargate.io/stargate/engine/nodes"
	"stargate.io/stargate/test/cluster"
)

// room is a namespace with a Server that is a node, and an account that has the role for hooks and nothing else.
type room struct {
	testing.TB
	namespace string
	node      string
	admin     kubernetes.Interface
	servers   client.Client
	clusters  *nodes.Clusters
	server    *v1alpha1.Server
	// owner of the pods: one that is there, or they would be collected as garbage.
	owner types.UID
}

func newRoom(t *testing.T) *room {
	t.Helper()
	c := cluster.Shared(t)
	objects, err := config.RBAC()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(t.Context(), objects...); err != nil {
		t.Fatal(err)
	}
	r := &room{TB: t, namespace: c.Namespace(t), admin: kubernetes.NewForConfigOrDie(c.Config)}
	r.node = "node-of-" + r.namespace
	if r.servers, err = client.New(c.Config, client.Options{Scheme: engine.Scheme()}); err != nil {
		t.Fatal(err)
	}
	bound := "hooks-of-" + r.namespace
	r.do(r.admin.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: bound},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "stargate-hook-nodes"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: bound}}}, metav1.CreateOptions{}))
	r.Cleanup(func() {
		_ = r.admin.RbacV1().ClusterRoleBindings().Delete(context.Background(), bound, metav1.DeleteOptions{})
		_ = r.admin.CoreV1().Nodes().Delete(context.Background(), r.node, metav1.DeleteOptions{})
	})
	r.clusters = &nodes.Clusters{Management: kubernetes.NewForConfigOrDie(c.As(bound)), Servers: r.servers}
	r.server = &v1alpha1.Server{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: "server-001"},
		Spec: v1alpha1.ServerSpec{MAC: "aa:bb:cc:dd:ee:01", IPv4: "10.0.0.1"}}
	if err := r.servers.Create(t.Context(), r.server); err != nil {
		t.Fatal(err)
	}
	label := map[string]string{"app": "some"}
	owner, err := r.admin.AppsV1().ReplicaSets(r.namespace).Create(t.Context(), &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "some"},
		Spec: appsv1.ReplicaSetSpec{Replicas: ptr.To(int32(0)), Selector: &metav1.LabelSelector{MatchLabels: label},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: label}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.com/c"}}}}}}, metav1.CreateOptions{})
	r.do(owner, err)
	r.owner = owner.UID
	return r
}

// do fails the test where something could not be done.
func (r *room) do(_ any, err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

// isNode makes the server a node.
func (r *room) isNode() {
	r.Helper()
	r.do(r.admin.CoreV1().Nodes().Create(r.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: r.node}}, metav1.CreateOptions{}))
	r.server.Status.NodeName = r.node
	r.do(nil, r.servers.Status().Update(r.Context(), r.server))
}

// kube is what a script calls.
func (r *room) kube(verb v1alpha1.KubernetesVerb, arguments map[string]any) (map[string]any, error) {
	r.Helper()
	host := r.clusters.Host(client.ObjectKeyFromObject(r.server), r.server.UID, nil)
	result, err := host.Kubernetes(r.Context(), string(verb), arguments)
	told, _ := result.(map[string]any)
	return told, err
}

func (r *room) must(verb v1alpha1.KubernetesVerb, arguments map[string]any) map[string]any {
	r.Helper()
	told, err := r.kube(verb, arguments)
	if err != nil {
		r.Fatalf("%s: %v", verb, err)
	}
	return told
}

// pod that runs on the node.
func (r *room) pod(name string, changes ...func(*corev1.Pod)) *corev1.Pod {
	r.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: name, Labels: map[string]string{"app": name},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "some", UID: r.owner, Controller: ptr.To(true)}}},
		Spec: corev1.PodSpec{NodeName: r.node, Containers: []corev1.Container{{Name: "c", Image: "example.com/c"}}}}
	for _, change := range changes {
		change(pod)
	}
	pod, err := r.admin.CoreV1().Pods(r.namespace).Create(r.Context(), pod, metav1.CreateOptions{})
	r.do(pod, err)
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	r.do(r.admin.CoreV1().Pods(r.namespace).UpdateStatus(r.Context(), pod, metav1.UpdateOptions{}))
	return pod
}

// ends is what a kubelet does: the pod has ended.
func (r *room) ends(names ...string) {
	r.Helper()
	for _, name := range names {
		r.do(nil, r.admin.CoreV1().Pods(r.namespace).Delete(r.Context(), name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))}))
	}
}

// budget of pods, as the disruption controller would have worked it out.
func (r *room) budget(app string, allowed int32) {
	r.Helper()
	budgets := r.admin.PolicyV1().PodDisruptionBudgets(r.namespace)
	budget, err := budgets.Get(r.Context(), app, metav1.GetOptions{})
	if err != nil {
		budget, err = budgets.Create(r.Context(), &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: app},
			Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: ptr.To(intstr.FromInt32(1)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}}, metav1.CreateOptions{})
		r.do(budget, err)
	}
	budget.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: budget.Generation, DisruptionsAllowed: allowed, CurrentHealthy: 1 + allowed, DesiredHealthy: 1, ExpectedPods: 1 + allowed}
	r.do(budgets.UpdateStatus(r.Context(), budget, metav1.UpdateOptions{}))
}

// kubeconfig in which something is changed.
func kubeconfig(t *testing.T, change func(*clientcmdapi.Config)) []byte {
	t.Helper()
	made := clientcmdapi.NewConfig()
	made.Clusters["c"] = &clientcmdapi.Cluster{Server: "https://cluster.example.com"}
	made.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: "t"}
	made.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	made.CurrentContext = "x"
	change(made)
	data, err := clientcmd.Write(*made)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func says(told map[string]any, key string) string { return fmt.Sprint(told[key]) }
