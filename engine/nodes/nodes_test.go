package nodes_test

import (
	"context"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/engine/nodes"
	"stargate.io/stargate/test/cluster"
)

// TestDrainHonoursBudgets with the rights of stargate-hook-nodes alone: what a budget holds back stays until the budget
// frees it; pods of daemon sets and mirror pods stay for good and are not counted.
func TestDrainHonoursBudgets(t *testing.T) {
	r := newRoom(t)
	r.isNode()
	r.pod("free")
	r.pod("held")
	r.pod("scratch", func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	})
	r.budget("held", 0)
	if _, err := r.kube(v1alpha1.VerbDrain, nil); err == nil || !strings.Contains(err.Error(), "kube.cordon()") {
		t.Fatalf("draining a node that is not cordoned: %v", err)
	}
	r.must(v1alpha1.VerbCordon, nil)
	if told := r.must(v1alpha1.VerbCordon, nil); told["changed"] != false {
		t.Errorf("cordoning twice: %v", told)
	}
	told := r.must(v1alpha1.VerbDrain, nil)
	if told["left"] != 3 || told["evicted"] != 2 || says(told, "heldByBudget") != "["+r.namespace+"/held]" {
		t.Fatalf("the first pass: %v", told)
	}
	r.ends("free", "scratch")
	if told = r.must(v1alpha1.VerbDrain, nil); told["left"] != 1 || told["evicted"] != 0 {
		t.Fatalf("while the budget holds one: %v", told)
	}
	r.budget("held", 1)
	if told = r.must(v1alpha1.VerbDrain, nil); told["left"] != 1 || told["evicted"] != 1 {
		t.Fatalf("once the budget frees it: %v", told)
	}
	r.ends("held")
	if told = r.must(v1alpha1.VerbDrain, nil); told["left"] != 0 {
		t.Fatalf("at the end: %v", told)
	}
	r.must(v1alpha1.VerbUncordon, nil)
	if told = r.must(v1alpha1.VerbNodeReady, nil); told["schedulable"] != true || told["ready"] != false {
		t.Errorf("the node at the end: %v", told)
	}
}

// TestDrainEvictsNothingThatCannotComeBack unless it is told to.
func TestDrainEvictsNothingThatCannotComeBack(t *testing.T) {
	r := newRoom(t)
	r.isNode()
	r.pod("mine")
	r.pod("bare", func(p *corev1.Pod) { p.OwnerReferences = nil })
	r.must(v1alpha1.VerbCordon, nil)
	if _, err := r.kube(v1alpha1.VerbDrain, nil); err == nil || !strings.Contains(err.Error(), "force = true") {
		t.Fatalf("a pod that nothing makes anew: %v", err)
	}
	if pod, err := r.admin.CoreV1().Pods(r.namespace).Get(t.Context(), "mine", metav1.GetOptions{}); err != nil || pod.DeletionTimestamp != nil {
		t.Errorf("a drain that cannot be carried through has evicted: %v, %v", pod.DeletionTimestamp, err)
	}
	if told := r.must(v1alpha1.VerbDrain, map[string]any{"force": true}); told["evicted"] != 2 {
		t.Errorf("with force: %v", told)
	}
	for arguments, want := range map[string]map[string]any{"not \"what\"": {"what": true}, "force cannot be": {"force": "yes"}} {
		if _, err := r.kube(v1alpha1.VerbDrain, want); err == nil || !strings.Contains(err.Error(), arguments) {
			t.Errorf("kube.drain%v: %v", want, err)
		}
	}
}

// TestDaemonSetsAndMirrorsStay: they come back at once, or are not the API server's to end.
func TestDaemonSetsAndMirrorsStay(t *testing.T) {
	r := newRoom(t)
	r.isNode()
	r.pod("mirror", func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} })
	label := map[string]string{"app": "agent"}
	daemons, err := r.admin.AppsV1().DaemonSets(r.namespace).Create(t.Context(), &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Name: "agent"},
		Spec: appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: label}, Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: label},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "example.com/c"}}}}}}, metav1.CreateOptions{})
	r.do(daemons, err)
	r.pod("agent", func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "agent", UID: daemons.UID, Controller: ptr.To(true)}}
	})
	r.must(v1alpha1.VerbCordon, nil)
	if told := r.must(v1alpha1.VerbDrain, nil); told["left"] != 0 || told["evicted"] != 0 {
		t.Errorf("pods that stay: %v", told)
	}
	for _, name := range []string{"mirror", "agent"} {
		if pod, err := r.admin.CoreV1().Pods(r.namespace).Get(t.Context(), name, metav1.GetOptions{}); err != nil || pod.DeletionTimestamp != nil {
			t.Errorf("pod %s: %v, gone at %v", name, err, pod.DeletionTimestamp)
		}
	}
}

// TestOnlyTheNodeThatTheServerIs is touched: a name alone is no proof.
func TestOnlyTheNodeThatTheServerIs(t *testing.T) {
	r := newRoom(t)
	if _, err := r.kube(v1alpha1.VerbCordon, nil); err == nil || !strings.Contains(err.Error(), "status.nodeName") {
		t.Fatalf("without a node: %v", err)
	}
	named := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: r.server.Name}}
	r.do(r.admin.CoreV1().Nodes().Create(t.Context(), named, metav1.CreateOptions{}))
	t.Cleanup(func() { _ = r.admin.CoreV1().Nodes().Delete(context.Background(), named.Name, metav1.DeleteOptions{}) })
	if _, err := r.kube(v1alpha1.VerbCordon, nil); err == nil || !strings.Contains(err.Error(), "another machine") {
		t.Fatalf("a node of its name without its address: %v", err)
	}
	address := `{"status":{"addresses":[{"type":"InternalIP","address":"` + r.server.Spec.IPv4 + `"}]}}`
	r.do(r.admin.CoreV1().Nodes().Patch(t.Context(), named.Name, types.MergePatchType, []byte(address), metav1.PatchOptions{}, "status"))
	if told := r.must(v1alpha1.VerbCordon, nil); told["node"] != named.Name {
		t.Errorf("with its address: %v", told)
	}
	r.server.UID = "of-the-one-before"
	if _, err := r.kube(v1alpha1.VerbUncordon, nil); err == nil || !strings.Contains(err.Error(), "made anew") {
		t.Errorf("for a Server that was made anew: %v", err)
	}
}

// TestNodeLeaves: once cordoned its object is deleted, that one and no other; a run that is made twice, and one that asks
// whether it is ready before it has joined anew, meet no error.
func TestNodeLeaves(t *testing.T) {
	r := newRoom(t)
	if told := r.must(v1alpha1.VerbNodeReady, nil); told["ready"] != false || told["node"] != nil || !strings.Contains(says(told, "message"), "no node") {
		t.Errorf("before there is one: %v", told)
	}
	r.isNode()
	if _, err := r.kube(v1alpha1.VerbDeleteNode, nil); err == nil || !strings.Contains(err.Error(), "kube.cordon()") {
		t.Fatalf("deleting a node that may have work: %v", err)
	}
	r.must(v1alpha1.VerbCordon, nil)
	if told := r.must(v1alpha1.VerbDeleteNode, nil); told["deleted"] != true {
		t.Errorf("the first time: %v", told)
	}
	if told := r.must(v1alpha1.VerbDeleteNode, nil); told["deleted"] != false {
		t.Errorf("the second time: %v", told)
	}
	if _, err := r.admin.CoreV1().Nodes().Get(t.Context(), r.node, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the node is still there: %v", err)
	}
}

// TestNodeMadeAnew under the same name is the server's only where it has its address: what status says was found is
// another by now.
func TestNodeMadeAnew(t *testing.T) {
	r := newRoom(t)
	r.isNode()
	r.server.Status.NodeUID = "of-the-one-before"
	r.do(nil, r.servers.Status().Update(t.Context(), r.server))
	if _, err := r.kube(v1alpha1.VerbCordon, nil); err == nil || !strings.Contains(err.Error(), "another machine") {
		t.Errorf("cordoning it: %v", err)
	}
	if told := r.must(v1alpha1.VerbNodeReady, nil); told["ready"] != false || told["node"] != nil {
		t.Errorf("asking whether it is ready: %v", told)
	}
	if _, err := r.kube(v1alpha1.VerbDeleteNode, nil); err == nil {
		t.Error("it was deleted")
	}
	address := `{"status":{"addresses":[{"type":"InternalIP","address":"` + r.server.Spec.IPv4 + `"}]}}`
	r.do(r.admin.CoreV1().Nodes().Patch(t.Context(), r.node, types.MergePatchType, []byte(address), metav1.PatchOptions{}, "status"))
	if told := r.must(v1alpha1.VerbCordon, nil); told["node"] != r.node {
		t.Errorf("with its address: %v", told)
	}
}

// TestRefusalSaysHowToGrantIt where hooks have no rights over the management cluster, as they have none by default.
func TestRefusalSaysHowToGrantIt(t *testing.T) {
	r := newRoom(t)
	r.isNode()
	r.clusters.Management = kubernetes.NewForConfigOrDie(cluster.Shared(t).As("somebody-of-" + r.namespace))
	if _, err := r.kube(v1alpha1.VerbCordon, nil); err == nil || !strings.Contains(err.Error(), "kubectl create clusterrolebinding stargate-hook-nodes") {
		t.Errorf("without rights: %v", err)
	}
}

// TestLabels of the Server: a script's own, and none of Stargate's.
func TestLabels(t *testing.T) {
	r := newRoom(t)
	r.must(v1alpha1.VerbLabels, map[string]any{"verified": "yes", "example.com/by": "hook"})
	r.must(v1alpha1.VerbLabels, map[string]any{"verified": false})
	server := &v1alpha1.Server{}
	r.do(nil, r.servers.Get(t.Context(), client.ObjectKeyFromObject(r.server), server))
	if len(server.Labels) != 1 || server.Labels["example.com/by"] != "hook" {
		t.Errorf("the labels are %v", server.Labels)
	}
	for label, value := range map[string]any{v1alpha1.LabelGroup: "web", "x.stargate.io/y": "1", "a b": "1", "ok": 5, "true": true, "long": strings.Repeat("x", 64)} {
		if _, err := r.kube(v1alpha1.VerbLabels, map[string]any{label: value}); err == nil {
			t.Errorf("%s=%v was taken", label, value)
		}
	}
}

// TestKubeconfigReachesNothingOfOurs: what would have this process run a program or read its own files is refused, and
// says what to do instead; its own words are not repeated where it does not parse.
func TestKubeconfigReachesNothingOfOurs(t *testing.T) {
	for what, change := range map[string]func(*clientcmdapi.Config){
		"exec": func(c *clientcmdapi.Config) {
			c.AuthInfos["u"] = &clientcmdapi.AuthInfo{Exec: &clientcmdapi.ExecConfig{Command: "/bin/true", APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: "Never"}}
		},
		"auth-provider": func(c *clientcmdapi.Config) {
			c.AuthInfos["u"] = &clientcmdapi.AuthInfo{AuthProvider: &clientcmdapi.AuthProviderConfig{Name: "oidc"}}
		},
		"client-certificate": func(c *clientcmdapi.Config) { c.AuthInfos["u"].ClientCertificate = "/etc/passwd" },
		"client-key":         func(c *clientcmdapi.Config) { c.AuthInfos["u"].ClientKey = "/etc/passwd" },
		"tokenFile":          func(c *clientcmdapi.Config) { c.AuthInfos["u"].TokenFile = "/etc/passwd" },
		"proxy-url":          func(c *clientcmdapi.Config) { c.Clusters["c"].ProxyURL = "http://proxy.example.com" },
		"certificate-authority": func(c *clientcmdapi.Config) {
			c.Clusters["c"].CertificateAuthority = "/etc/passwd"
		},
	} {
		if _, err := nodes.Kubeconfig(kubeconfig(t, change)); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if config, err := nodes.Kubeconfig(kubeconfig(t, func(*clientcmdapi.Config) {})); err != nil || config.Host != "https://cluster.example.com" || config.Timeout == 0 {
		t.Errorf("a plain one: %+v, %v", config, err)
	}
	if _, err := nodes.Kubeconfig([]byte("token: s3cret\n: [")); err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("what does not parse: %v", err)
	}
	if _, err := nodes.Kubeconfig(make([]byte, 1<<20)); err == nil {
		t.Error("a megabyte was parsed")
	}
}
