package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// bootstrapToken makes a token as kubeadm does, good until then.
func bootstrapToken(t *testing.T, admin kubernetes.Interface, until time.Time) (id, token string) {
	t.Helper()
	random := make([]byte, 11)
	rand.Read(random)
	id, secret := fmt.Sprintf("%x", random[:3]), fmt.Sprintf("%x", random[3:])
	_, err := admin.CoreV1().Secrets("kube-system").Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "bootstrap-token-" + id},
		Type:       corev1.SecretTypeBootstrapToken,
		StringData: map[string]string{
			"token-id": id, "token-secret": secret,
			"usage-bootstrap-authentication": "true", "usage-bootstrap-signing": "true",
			"expiration": until.UTC().Format(time.RFC3339),
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return id, id + "." + secret
}

// TestNodeJoins takes the way of a kubelet: cluster-info without credentials, a
// bootstrap token, a certificate of its own, its Node.
func TestNodeJoins(t *testing.T) {
	admin := shared.client(t)
	id, token := bootstrapToken(t, admin, time.Now().Add(time.Hour))
	anonymous := rest.AnonymousClientConfig(shared.config(t))
	var info *corev1.ConfigMap
	eventually(t, func(ctx context.Context) (err error) {
		info, err = clientFor(t, anonymous).CoreV1().ConfigMaps("kube-public").Get(ctx, "cluster-info", metav1.GetOptions{})
		if err == nil && info.Data["jws-kubeconfig-"+id] == "" {
			err = errors.New("cluster-info is not signed with the token")
		}
		return err
	})
	published, err := clientcmd.Load([]byte(info.Data["kubeconfig"]))
	if err != nil {
		t.Fatal(err)
	}
	cluster := published.Clusters[""]
	if cluster.Server != shared.url {
		t.Errorf("cluster-info says %s, the server is at %s", cluster.Server, shared.url)
	}

	config := &rest.Config{Host: cluster.Server, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAData: cluster.CertificateAuthorityData}}
	node := "node-" + id
	kubeadmReads(t, clientFor(t, config), node)
	key, cert := certificate(t, clientFor(t, config), node)
	config.BearerToken, config.KeyData, config.CertData = "", key, cert
	kubelet := clientFor(t, config)
	own := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}, Status: corev1.NodeStatus{
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeDiskPressure, Status: corev1.ConditionTrue}},
	}}
	if _, err := kubelet.CoreV1().Nodes().Create(t.Context(), own, metav1.CreateOptions{}); err != nil {
		t.Errorf("making its own Node: %v", err)
	}
	other := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "other-" + id}}
	if _, err := kubelet.CoreV1().Nodes().Create(t.Context(), other, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("making another Node: got %v, want Forbidden", err)
	}
	if _, err := kubelet.CoreV1().Secrets("kube-system").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("listing secrets: got %v, want Forbidden", err)
	}
	// The node lifecycle controller is at work: it turns conditions into taints.
	eventually(t, func(ctx context.Context) error {
		n, err := admin.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeDiskPressure }) {
			return fmt.Errorf("its taints are %v", n.Spec.Taints)
		}
		return nil
	})
}

// kubeadmReads what kubeadm reads with a bootstrap token before it starts a kubelet, and that it can read nothing else.
func kubeadmReads(t *testing.T, c kubernetes.Interface, node string) {
	t.Helper()
	for name, want := range map[string]string{
		"kubeadm-config": "controlPlaneEndpoint: \"" + strings.TrimPrefix(shared.url, "https://") + "\"",
		"kubelet-config": "clientCAFile: /etc/kubernetes/pki/ca.crt",
	} {
		config, err := c.CoreV1().ConfigMaps("kube-system").Get(t.Context(), name, metav1.GetOptions{})
		if err != nil || !strings.Contains(config.Data["ClusterConfiguration"]+config.Data["kubelet"], want) {
			t.Errorf("reading %s: %v; want %s in %v", name, err, want, config.Data)
		}
	}
	if _, err := c.CoreV1().Nodes().Get(t.Context(), node, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("looking whether the node is there already: got %v, want NotFound", err)
	}
	_, configs := c.CoreV1().ConfigMaps("kube-system").Get(t.Context(), "extension-apiserver-authentication", metav1.GetOptions{})
	_, nodes := c.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	for what, err := range map[string]error{"another ConfigMap": configs, "all nodes": nodes} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("reading %s: got %v, want Forbidden", what, err)
		}
	}
}

// certificate asks for a kubelet's client certificate and waits until it is approved and signed.
func certificate(t *testing.T, c kubernetes.Interface, node string) (key, cert []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}},
	}, private)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := c.CertificatesV1().CertificateSigningRequests().Create(t.Context(), &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "csr-"},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}),
			SignerName: certificatesv1.KubeAPIServerClientKubeletSignerName,
			Usages:     []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("asking for a certificate: %v", err)
	}
	eventually(t, func(ctx context.Context) error {
		got, err := c.CertificatesV1().CertificateSigningRequests().Get(ctx, csr.Name, metav1.GetOptions{})
		if err == nil && len(got.Status.Certificate) == 0 {
			err = fmt.Errorf("no certificate; conditions %v", got.Status.Conditions)
		}
		if err == nil {
			cert = got.Status.Certificate
		}
		return err
	})
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), cert
}

// TestAdvertises: nodes are told the address that others use, the administrator the near one.
func TestAdvertises(t *testing.T) {
	p := begin(t, "--bind", "0.0.0.0", "--advertise", "192.0.2.1")
	port := p.url[strings.LastIndex(p.url, ":"):]
	if want := "https://127.0.0.1" + port; p.url != want || p.config(t).Host != want {
		t.Errorf("got %s and %s, want %s", p.url, p.config(t).Host, want)
	}
	info, err := p.client(t).CoreV1().ConfigMaps("kube-public").Get(t.Context(), "cluster-info", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://192.0.2.1" + port; !strings.Contains(info.Data["kubeconfig"], want) {
		t.Errorf("cluster-info does not say %s:\n%s", want, info.Data["kubeconfig"])
	}
	config := p.config(t)
	config.ServerName = "192.0.2.1" // what the certificate is checked for
	if _, err := clientFor(t, config).Discovery().ServerVersion(); err != nil {
		t.Error(err)
	}
}

// TestJoinAddress: the administrator stays on loopback, nodes are told of the other address, and both are served.
func TestJoinAddress(t *testing.T) {
	const beside = "127.0.0.2" // what stands for a bridge here: all of 127/8 is this machine
	p := begin(t, "--join-address", beside)
	port := p.url[strings.LastIndex(p.url, ":"):]
	if want := "https://127.0.0.1" + port; p.config(t).Host != want {
		t.Errorf("the kubeconfig says %s, want %s", p.config(t).Host, want)
	}
	info, err := p.client(t).CoreV1().ConfigMaps("kube-public").Get(t.Context(), "cluster-info", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := "https://" + beside + port
	if !strings.Contains(info.Data["kubeconfig"], want) {
		t.Errorf("cluster-info does not say %s:\n%s", want, info.Data["kubeconfig"])
	}
	config := p.config(t)
	config.Host = want
	if _, err := clientFor(t, config).Discovery().ServerVersion(); err != nil {
		t.Error(err)
	}
}

// TestKubeletConfigurationIsTheOperators: it is made once, and what somebody changed in it stays.
func TestKubeletConfigurationIsTheOperators(t *testing.T) {
	p := begin(t)
	maps := p.client(t).CoreV1().ConfigMaps("kube-system")
	config, err := maps.Get(t.Context(), "kubelet-config", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config.Data["kubelet"] += "maxPods: 7\n"
	if _, err := maps.Update(t.Context(), config, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	config, err = p.client(t).CoreV1().ConfigMaps("kube-system").Get(t.Context(), "kubelet-config", metav1.GetOptions{})
	if err != nil || !strings.Contains(config.Data["kubelet"], "maxPods: 7") {
		t.Errorf("after a restart: %v, %v", config.Data, err)
	}
}

func TestEndedTokenIsCleanedUp(t *testing.T) {
	admin := shared.client(t)
	id, _ := bootstrapToken(t, admin, time.Now().Add(-time.Minute))
	eventually(t, func(ctx context.Context) error {
		return gone(admin.CoreV1().Secrets("kube-system").Get(ctx, "bootstrap-token-"+id, metav1.GetOptions{}))
	})
}

// TestControllersHoldNoMoreThanTheirRoles: each acts as its own service account.
func TestControllersHoldNoMoreThanTheirRoles(t *testing.T) {
	c := shared.client(t)
	ns := namespace(t, c)
	eventually(t, func(context.Context) error {
		for _, line := range strings.Split(mustRead(t, shared.dir+"/audit.log"), "\n") {
			if has(line, `"verb":"create"`, `"resource":"serviceaccounts"`, `"namespace":"`+ns+`"`) {
				if want := `"username":"system:serviceaccount:kube-system:service-account-controller"`; !strings.Contains(line, want) {
					t.Fatalf("want %s in %s", want, line)
				}
				return nil
			}
		}
		return errors.New("no account yet")
	})
	// What the roles do not allow would show up here.
	for _, line := range strings.Split(mustRead(t, shared.dir+"/audit.log"), "\n") {
		if has(line, `"username":"system:serviceaccount:kube-system:`, `"authorization.k8s.io/decision":"forbid"`) {
			t.Errorf("a controller was refused: %s", line)
		}
	}
}
